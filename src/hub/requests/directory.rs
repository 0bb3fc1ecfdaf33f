//! Lists live registrations, never renewal tokens or sessions. A page ends at its limit, its bytes
//! or the work of one request, and says where to continue.

use uuid::Uuid;

use crate::hub::state::Registration;
use crate::hub::{Hub, SessionKey};
use crate::protocol::{
    ActorAddress, ActorList, Body, Cursor, Discover, Discovered, DiscoveredActor, Json, ListActors,
    ListedActor, Outgoing, Reply, Request, actor_weight,
};
use crate::time::Timestamp;

/// Bytes of compared metadata that count as one more row.
const COMPARED_BYTES: usize = 128;

/// The part of the matching rows that is asked for.
struct Wish<'a> {
    offset: usize,
    cursor: Option<&'a Cursor>,
    limit: usize,
}

/// The rows of a page and, if there may be more, where they begin.
#[derive(Default)]
struct Page<'r> {
    rows: Vec<Row<'r>>,
    next: Option<Next>,
    scanned: usize,
}

struct Row<'r> {
    address: &'r ActorAddress,
    registration: &'r Registration,
    truncated: bool,
}

struct Next {
    offset: usize,
    cursor: Option<Cursor>,
}

/// The bytes that the answer has used and may use.
struct Room {
    used: usize,
    /// The bound of one message.
    message: usize,
    /// The room in the asker's queue.
    queue: usize,
    /// The room in the asker's queue for a page of one row.
    queue_of_one: usize,
}

impl Hub {
    pub(super) fn discover(&mut self, key: SessionKey, request: &Request, ask: &Discover) -> Reply {
        let prefix = ask.prefix();
        let after = ask.cursor.as_ref().map(|cursor| &cursor.after);
        let rows = self.registry.among(&prefix, after, ask.wanted_capabilities());
        let wish =
            Wish { offset: ask.offset, cursor: ask.cursor.as_ref(), limit: ask.limit.actors() };
        let fits = |address: &ActorAddress, row: &Registration| {
            ask.wants(address, &row.capabilities, &row.metadata)
        };
        let compares = |row: &Registration| {
            if ask.metadata.is_empty() { 0 } else { row.metadata.len() / COMPARED_BYTES }
        };
        let room = self.room(key, request, Reply::Discovered(Discovered::default()));
        let page = self.page(room, &wish, rows.map(|row| (compares(row.1), row)), fits);
        let scanned = page.scanned;
        let (has_more, next_offset, next_cursor, rows) = page.parts();
        let actors = rows.into_iter().map(discovered).collect();
        self.work.scanned += scanned;
        Reply::Discovered(Discovered { actors, has_more, next_offset, next_cursor })
    }

    pub(super) fn list_actors(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        request: &Request,
        ask: &ListActors,
    ) -> Reply {
        let (offset, limit, total) = (ask.offset, ask.limit.actors(), self.registry.live_len());
        let after = ask.cursor.as_ref().map(|cursor| &cursor.after);
        let rows = self.registry.among("", after, std::iter::empty());
        let rows = rows.take_while(|_| offset < total).map(|row| (0, row));
        let wish = Wish { offset, cursor: ask.cursor.as_ref(), limit };
        let room = self.room(key, request, Reply::ActorList(ActorList::default()));
        let page = self.page(room, &wish, rows, |_, _| true);
        let scanned = page.scanned;
        let (has_more, next_offset, next_cursor, rows) = page.parts();
        // What another node has may have been renewed there just now.
        let at_the_latest = |row: &Row<'_>| now + row.registration.ttl;
        let expires_at = |row: &Row<'_>| self.expires_at(row.registration);
        let actors = rows.into_iter().map(|row| {
            let expires_at = expires_at(&row).unwrap_or_else(|| at_the_latest(&row));
            listed(row, expires_at)
        });
        let actors = actors.collect();
        self.work.scanned += scanned;
        Reply::ActorList(ActorList {
            actors,
            total,
            offset,
            limit,
            has_more,
            next_offset,
            next_cursor,
        })
    }

    /// Reads rows until the page is full. Each row costs one, plus the number beside it.
    fn page<'r>(
        &self,
        mut room: Room,
        wish: &Wish<'_>,
        rows: impl Iterator<Item = (usize, (&'r ActorAddress, &'r Registration))>,
        fits: impl Fn(&ActorAddress, &Registration) -> bool,
    ) -> Page<'r> {
        let left_out = wish.cursor.map_or(0, |cursor| cursor.left_out);
        let mut left_out = wish.offset.saturating_add(left_out);
        let mut page = Page::default();
        let (mut last, mut skipped): (Option<&ActorAddress>, Option<&ActorAddress>) = (None, None);
        for (more_work, (address, registration)) in rows {
            if page.scanned >= self.config.scan_rows_max {
                page.ends(wish, last.cloned().map(|after| Cursor { after, left_out }));
                break;
            }
            page.scanned += 1 + more_work;
            if fits(address, registration) {
                if left_out > 0 {
                    left_out -= 1;
                    skipped = Some(address);
                } else {
                    let row = room.row(address, registration, page.rows.first());
                    let Some(row) = row.filter(|_| page.rows.len() < wish.limit) else {
                        let end = page.rows.last().map(|row| row.address).or(skipped);
                        page.ends(wish, end.cloned().map(Cursor::after));
                        break;
                    };
                    page.rows.push(row);
                }
            }
            last = Some(address);
        }
        page
    }

    fn room(&self, key: SessionKey, request: &Request, empty: Reply) -> Room {
        let (correlation, trace_id) = (Some(request.id.clone()), request.trace_id());
        let body = Body::Reply { correlation, trace_id, reply: Box::new(empty) };
        let (id, to, timestamp) = (Uuid::nil(), request.from.clone(), Timestamp::default());
        let hub = self.config.hub_address.as_str().len();
        let queue = self.sessions.get(key).map(|session| &session.queue);
        Room {
            used: Outgoing::new(id, to, timestamp, body).weight(),
            message: self.config.message_bytes_max.saturating_sub(hub),
            queue: queue.map_or(0, |queue| queue.reserve_left(&self.config)),
            queue_of_one: queue.map_or(0, |queue| queue.room_for_one(&self.config)),
        }
    }
}

impl Room {
    /// The row, if there is room for it and for a cursor after it. One that no message can hold is
    /// alone in its page, with only its address.
    fn row<'r>(
        &mut self,
        address: &'r ActorAddress,
        registration: &'r Registration,
        first: Option<&Row<'_>>,
    ) -> Option<Row<'r>> {
        let cursor = address.as_str().len();
        let mut weight = actor_weight(address, &registration.capabilities, &registration.metadata);
        let fits = |weight: usize, room: usize| self.used + weight + cursor <= room;
        let alone = first.is_none();
        let truncated = !fits(weight, self.message);
        if truncated {
            weight = actor_weight(address, &[], &Json::EMPTY_OBJECT);
        }
        let queue = if alone { self.queue_of_one } else { self.queue };
        let follows_truncated = first.is_some_and(|first| first.truncated);
        if truncated && !alone || follows_truncated || !fits(weight, queue) {
            return None;
        }
        self.used += weight;
        Some(Row { address, registration, truncated })
    }
}

impl<'r> Page<'r> {
    fn ends(&mut self, wish: &Wish<'_>, cursor: Option<Cursor>) {
        let offset = wish.offset.saturating_add(self.rows.len());
        self.next = Some(Next { offset, cursor: cursor.or_else(|| wish.cursor.cloned()) });
    }

    fn parts(self) -> (bool, Option<usize>, Option<Cursor>, Vec<Row<'r>>) {
        match self.next {
            Some(Next { offset, cursor }) => (true, Some(offset), cursor, self.rows),
            None => (false, None, None, self.rows),
        }
    }
}

impl Row<'_> {
    fn told(&self) -> (Vec<String>, Json) {
        if self.truncated {
            (Vec::new(), Json::EMPTY_OBJECT)
        } else {
            (self.registration.capabilities.clone(), self.registration.metadata.clone())
        }
    }
}

fn discovered(row: Row<'_>) -> DiscoveredActor {
    let (capabilities, metadata) = row.told();
    DiscoveredActor {
        address: row.address.clone(),
        actor_address: row.address.clone(),
        capabilities,
        metadata,
        truncated: row.truncated,
    }
}

fn listed(row: Row<'_>, expires_at: Timestamp) -> ListedActor {
    let (capabilities, metadata) = row.told();
    ListedActor {
        address: row.address.clone(),
        actor_address: row.address.clone(),
        capabilities,
        metadata,
        registered_at: row.registration.registered_at,
        expires_at,
        version: row.registration.version,
        truncated: row.truncated,
    }
}
