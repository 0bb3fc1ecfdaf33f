//! The payloads of hub:discover and hub:list_actors. Each field is bounded, because the hub
//! compares it with every actor that it looks at.

use std::borrow::Cow;

use serde::Deserialize;

use super::{OBJECT, RawEnvelope, TEXT};
use crate::protocol::codec::fields::{
    Raw, kind_of, object, optional_integer, optional_name, optional_string,
};
use crate::protocol::{Criteria, Cursor, Discover, Glob, ListActors, Page, Refusal};

const CURSOR: &str = "a cursor as a page bore it in nextCursor";

/// The fields of both; of hub:list_actors only the place counts.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Fields<'a> {
    #[serde(borrow)]
    pattern: Raw<'a>,
    #[serde(borrow)]
    capability: Raw<'a>,
    #[serde(borrow)]
    capabilities: Raw<'a>,
    #[serde(borrow)]
    metadata: Raw<'a>,
    #[serde(borrow)]
    offset: Raw<'a>,
    #[serde(borrow)]
    cursor: Raw<'a>,
    #[serde(borrow)]
    limit: Raw<'a>,
}

impl Fields<'_> {
    fn place(&self) -> Result<ListActors, Refusal> {
        Ok(ListActors {
            offset: offset(self.offset)?,
            cursor: optional_name("cursor", CURSOR, self.cursor, Cursor::parse)?,
            limit: page(self.limit)?,
        })
    }
}

impl RawEnvelope<'_> {
    pub(super) fn discover(&self) -> Result<Discover, Refusal> {
        let fields: Fields<'_> = object("payload", self.payload)?;
        let pattern = pattern(fields.pattern)?;
        let capability = optional_string("capability", TEXT, fields.capability)?;
        let capability = capability.map(Cow::into_owned);
        let capabilities = capabilities(fields.capabilities)?;
        let metadata = criteria(fields.metadata)?;
        let ListActors { offset, cursor, limit } = fields.place()?;
        Ok(Discover { pattern, capability, capabilities, metadata, offset, cursor, limit })
    }

    pub(super) fn list_actors(&self) -> Result<ListActors, Refusal> {
        object::<Fields<'_>>("payload", self.payload)?.place()
    }
}

fn pattern(raw: Raw<'_>) -> Result<Glob, Refusal> {
    const EXPECTED: &str = "a string of at most 512 bytes";
    let Some(text) = optional_string("pattern", TEXT, raw)? else { return Ok(Glob::any()) };
    if text.len() <= Glob::BYTES_MAX {
        Ok(Glob::new(&text))
    } else {
        Err(Refusal::invalid("pattern", EXPECTED, format!("{} bytes", text.len())))
    }
}

fn capabilities(raw: Raw<'_>) -> Result<Vec<String>, Refusal> {
    const EXPECTED: &str = "an array of at most 64 strings";
    let Some(raw) = raw else { return Ok(Vec::new()) };
    match serde_json::from_str::<Vec<String>>(raw.get()) {
        Ok(wanted) if wanted.len() <= Discover::CAPABILITIES_MAX => Ok(wanted),
        Ok(wanted) => {
            Err(Refusal::invalid("capabilities", EXPECTED, format!("{} strings", wanted.len())))
        }
        Err(_) => Err(Refusal::invalid("capabilities", EXPECTED, kind_of(raw.get()))),
    }
}

fn criteria(raw: Raw<'_>) -> Result<Criteria, Refusal> {
    const EXPECTED: &str = "an object of at most 16384 bytes";
    let Some(raw) = raw else { return Ok(Criteria::default()) };
    let size = raw.get().len();
    if size > Criteria::BYTES_MAX {
        return Err(Refusal::invalid("metadata", EXPECTED, format!("{size} bytes")));
    }
    serde_json::from_str(raw.get())
        .map_err(|_| Refusal::invalid("metadata", OBJECT, kind_of(raw.get())))
}

fn offset(raw: Raw<'_>) -> Result<usize, Refusal> {
    let offset = optional_integer("offset", "a whole number", raw)?;
    Ok(usize::try_from(offset.unwrap_or_default()).unwrap_or(usize::MAX))
}

fn page(raw: Raw<'_>) -> Result<Page, Refusal> {
    const EXPECTED: &str = "a whole number of at least 1";
    match optional_integer("limit", EXPECTED, raw)? {
        None => Ok(Page::default()),
        Some(actors) => {
            Page::new(actors).ok_or_else(|| Refusal::invalid("limit", EXPECTED, actors.to_string()))
        }
    }
}
