//! Who is registered, page by page (protocol, section 4). The settings leave it all rows to look at.

use signal_hub::hub::SessionKey;
use signal_hub::protocol::{
    ActorAddress, ActorList, Body, Cursor, Discover, Discovered, DiscoveredActor, Json, ListActors,
    ListedActor, Outgoing, Reply, Request,
};
use signal_hub::time::Timestamp;
use uuid::Uuid;

use super::Model;

/// What is asked for of those that fit.
struct Wish<'a> {
    offset: usize,
    cursor: Option<&'a Cursor>,
    limit: usize,
}

/// A page as far as both answers have it.
struct Page {
    actors: Vec<ListedActor>,
    next: Option<(usize, Option<Cursor>)>,
}

impl Model {
    pub(super) fn discover(&mut self, key: SessionKey, request: &Request, ask: &Discover) -> Reply {
        let fitting =
            self.those_who(|address, row| ask.wants(address, &row.capabilities, &row.metadata));
        let cursor = ask.cursor.as_ref();
        let wish = Wish { offset: ask.offset, cursor, limit: ask.limit.actors() };
        let reply = self.fullest(key, request, &fitting, &wish, |page| {
            let actors = page.actors.iter().map(|listed| DiscoveredActor {
                address: listed.address.clone(),
                actor_address: listed.actor_address.clone(),
                capabilities: listed.capabilities.clone(),
                metadata: listed.metadata.clone(),
                truncated: listed.truncated,
            });
            let (next_offset, next_cursor) = page.next.clone().unzip();
            Reply::Discovered(Discovered {
                actors: actors.collect(),
                has_more: page.next.is_some(),
                next_offset,
                next_cursor: next_cursor.flatten(),
            })
        });
        let Reply::Discovered(told) = &reply else { unreachable!("a page") };
        self.scanned = self.looked_at(&self.candidates(ask), &fitting, &wish, told.next_offset);
        reply
    }

    pub(super) fn list_actors(
        &mut self,
        key: SessionKey,
        request: &Request,
        ask: &ListActors,
    ) -> Reply {
        let all = self.those_who(|_, _| true);
        let (offset, limit) = (ask.offset, ask.limit.actors());
        let wish = Wish { offset, cursor: ask.cursor.as_ref(), limit };
        let reply = self.fullest(key, request, &all, &wish, |page| {
            let (next_offset, next_cursor) = page.next.clone().unzip();
            Reply::ActorList(ActorList {
                actors: page.actors.clone(),
                total: all.len(),
                offset,
                limit,
                has_more: page.next.is_some(),
                next_offset,
                next_cursor: next_cursor.flatten(),
            })
        });
        let Reply::ActorList(told) = &reply else { unreachable!("a page") };
        let rows: Vec<_> = all.iter().map(|address| (address.clone(), 1)).collect();
        self.scanned = if offset < all.len() {
            self.looked_at(&rows, &all, &wish, told.next_offset)
        } else {
            0
        };
        reply
    }

    /// Whom a search looks at, in their order, and what each of them weighs: of those whose addresses
    /// may fit, who has the capability that fewest have.
    fn candidates(&self, ask: &Discover) -> Vec<(ActorAddress, usize)> {
        let all = self.those_who(|_, _| true);
        let has = |address: &ActorAddress, wanted: &str| {
            self.registrations[address].capabilities.iter().any(|own| own == wanted)
        };
        let able = |wanted: &&str| all.iter().filter(|address| has(address, wanted)).count();
        let rarest = ask.wanted_capabilities().min_by_key(able);
        let prefix = ask.prefix();
        let weight = |address: &ActorAddress| {
            if ask.metadata.is_empty() {
                1
            } else {
                1 + self.registrations[address].metadata.len() / 128
            }
        };
        all.iter()
            .filter(|address| rarest.is_none_or(|rarest| has(address, rarest)))
            .filter(|address| address.as_str().starts_with(&prefix))
            .map(|address| (address.clone(), weight(address)))
            .collect()
    }

    /// What was looked at until the page was whole, the first that had no place included.
    fn looked_at(
        &self,
        candidates: &[(ActorAddress, usize)],
        fitting: &[ActorAddress],
        wish: &Wish<'_>,
        next_offset: Option<usize>,
    ) -> usize {
        let after = wish.cursor.map(|cursor| &cursor.after);
        let left_out = wish.cursor.map_or(0, |cursor| cursor.left_out);
        let mut fitting =
            fitting.iter().filter(|address| after.is_none_or(|after| after < *address));
        let next = next_offset.and_then(|next| fitting.nth(next.saturating_add(left_out)));
        candidates
            .iter()
            .filter(|(address, _)| after.is_none_or(|after| after < address))
            .filter(|(address, _)| next.is_none_or(|next| address <= next))
            .map(|(_, weight)| weight)
            .sum()
    }

    /// The longest page of the wish that one message holds and the asker's queue takes.
    fn fullest(
        &self,
        key: SessionKey,
        request: &Request,
        fitting: &[ActorAddress],
        wish: &Wish<'_>,
        reply: impl Fn(&Page) -> Reply,
    ) -> Reply {
        let behind =
            |address: &&ActorAddress| wish.cursor.is_none_or(|cursor| cursor.after < **address);
        let left_out = wish.cursor.map_or(0, |cursor| cursor.left_out);
        let left_out = wish.offset.saturating_add(left_out);
        let rest: Vec<&ActorAddress> = fitting.iter().filter(behind).collect();
        let (skipped, rest) = rest.split_at(left_out.min(rest.len()));
        let page_of = |length: usize, truncated: bool| {
            let last = rest[..length].last().or(skipped.last());
            let cursor = last.map(|last| Cursor::after((*last).clone())).or(wish.cursor.cloned());
            let next = Some((wish.offset.saturating_add(length), cursor));
            Page {
                actors: rest[..length]
                    .iter()
                    .map(|address| self.listed(address, truncated))
                    .collect(),
                next: next.filter(|_| length < rest.len()),
            }
        };
        let mut best = page_of(0, false);
        for length in 1..=rest.len().min(wish.limit) {
            let mut page = page_of(length, false);
            if length == 1 && !self.is_message(request, reply(&page)) {
                page = page_of(1, true);
            } else if !self.is_message(request, reply(&page)) {
                break;
            }
            if !self.has_room_for_page(key, request, reply(&page), length) {
                break;
            }
            best = page;
        }
        reply(&best)
    }

    fn listed(&self, address: &ActorAddress, truncated: bool) -> ListedActor {
        let row = &self.registrations[address];
        let (capabilities, metadata) = if truncated {
            (Vec::new(), Json::EMPTY_OBJECT)
        } else {
            (row.capabilities.clone(), row.metadata.clone())
        };
        ListedActor {
            address: address.clone(),
            actor_address: address.clone(),
            capabilities,
            metadata,
            registered_at: row.registered_at,
            expires_at: row.until,
            version: row.version,
            truncated,
        }
    }

    /// Returns whether a message holds the page, the cursor behind it included.
    fn is_message(&self, request: &Request, reply: Reply) -> bool {
        let hub = self.config.hub_address.as_str().len();
        weight(request, with_cursor(reply)) + hub <= self.config.message_bytes_max
    }

    /// An empty queue takes whatever cannot be less.
    fn has_room_for_page(
        &self,
        key: SessionKey,
        request: &Request,
        reply: Reply,
        length: usize,
    ) -> bool {
        let session = &self.sessions[&key];
        session.messages == 0 && length == 1
            || session.messages < 2 * self.config.queue_messages_max
                && session.bytes + weight(request, with_cursor(reply))
                    <= 2 * self.config.queue_bytes_max
    }
}

/// The reply as if there were more behind it.
fn with_cursor(mut reply: Reply) -> Reply {
    let cursor = |address: Option<&ActorAddress>| address.cloned().map(Cursor::after);
    match &mut reply {
        Reply::Discovered(page) => {
            page.next_cursor = cursor(page.actors.last().map(|actor| &actor.address));
        }
        Reply::ActorList(page) => {
            page.next_cursor = cursor(page.actors.last().map(|actor| &actor.address));
        }
        _ => {}
    }
    reply
}

fn weight(request: &Request, reply: Reply) -> usize {
    let (correlation, trace_id) = (Some(request.id.clone()), request.trace_id());
    let body = Body::Reply { correlation, trace_id, reply: Box::new(reply) };
    let (id, to, timestamp) = (Uuid::nil(), request.from.clone(), Timestamp::default());
    Outgoing::new(id, to, timestamp, body).weight()
}
