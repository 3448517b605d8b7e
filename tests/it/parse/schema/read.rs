//! TL values read by Telegram's schema text, independently of the library that the program reads them with.

use std::collections::{BTreeMap, BTreeSet};

use super::{SCHEMA, inner};

/// A value as the schema describes it.
pub(in crate::parse) enum Read {
    /// A number or bytes.
    Basic(Vec<u8>),
    List(Vec<Read>),
    Made(&'static str, BTreeMap<&'static str, Read>),
}

impl Read {
    /// A boxed value of a type.
    pub(in crate::parse) fn boxed(kind: &'static str, mut tl: &[u8]) -> Self {
        let read = value(kind, &mut tl);
        assert!(tl.is_empty(), "bytes are left of a {kind}");
        read
    }

    /// A field of a value that is made of fields.
    pub(in crate::parse) fn field(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Made(_, fields) => fields.get(name),
            _ => None,
        }
    }

    /// The values that are directly inside, those of a list each; with the name of this one.
    pub(in crate::parse) fn inside(&self) -> (&'static str, Vec<&Self>) {
        fn one_by_one(value: &Read) -> &[Read] {
            match value {
                Read::List(values) => values,
                one => std::slice::from_ref(one),
            }
        }
        match self {
            Self::Made(name, fields) => (name, fields.values().flat_map(one_by_one).collect()),
            _ => ("", Vec::new()),
        }
    }

    pub(in crate::parse) fn items(&self) -> &[Self] {
        match self {
            Self::List(values) => values,
            _ => &[],
        }
    }

    pub(in crate::parse) fn long(&self) -> i64 {
        match self {
            Self::Basic(bytes) => i64::from_le_bytes(bytes.as_slice().try_into().unwrap()),
            _ => panic!("no number"),
        }
    }

    pub(in crate::parse) fn is_empty(&self) -> bool {
        matches!(self, Self::Basic(bytes) if bytes.is_empty())
    }
}

fn take<'t>(tl: &mut &'t [u8], count: usize) -> &'t [u8] {
    let (taken, rest) = tl.split_at(count);
    *tl = rest;
    taken
}

fn word(tl: &mut &[u8]) -> u32 {
    u32::from_le_bytes(take(tl, 4).try_into().unwrap())
}

fn bytes(tl: &mut &[u8]) -> Vec<u8> {
    let all = tl.len();
    let length = match take(tl, 1)[0] {
        254 => take(tl, 3).iter().rev().fold(0, |length, byte| length << 8 | usize::from(*byte)),
        length => usize::from(length),
    };
    let value = take(tl, length).to_vec();
    let used = all - tl.len();
    take(tl, used.next_multiple_of(4) - used);
    value
}

fn value(kind: &'static str, tl: &mut &[u8]) -> Read {
    match kind {
        "int" => Read::Basic(take(tl, 4).to_vec()),
        "long" | "double" => Read::Basic(take(tl, 8).to_vec()),
        "string" | "bytes" => Read::Basic(bytes(tl)),
        kind if kind.starts_with("Vector<") => {
            assert_eq!(word(tl), 0x1cb5_c415);
            let count = word(tl);
            Read::List((0..count).map(|_| value(inner(kind), tl)).collect())
        }
        kind => {
            let id = word(tl);
            let constructor = SCHEMA.of[kind].iter().map(|at| &SCHEMA.constructors[*at]).find(|c| c.id == id).unwrap();
            let (mut flags, mut fields) = (BTreeMap::new(), BTreeMap::new());
            for field in &constructor.fields {
                if field.kind == "#" {
                    flags.insert(field.name, word(tl));
                } else if field.kind != "true" && field.flag.is_none_or(|(word, bit)| flags[word] & 1 << bit != 0) {
                    fields.insert(field.name, value(field.kind, tl));
                }
            }
            Read::Made(constructor.name, fields)
        }
    }
}

/// The constructors, of those that a value of a type may hold, with a field of one of these types, or a list of it.
pub(in crate::parse) fn holders(root: &'static str, kinds: &[&str]) -> BTreeSet<&'static str> {
    let reachable = super::reachable(root);
    let holds = |c: &&super::Constructor| reachable.contains(c.name) && c.fields.iter().any(|f| kinds.contains(&inner(f.kind)));
    SCHEMA.constructors.iter().filter(holds).map(|c| c.name).collect()
}

/// The constructors, of those that a value of a type may hold, that can hold this one, at whatever depth.
pub(in crate::parse) fn leading_to(root: &'static str, constructor: &str) -> BTreeSet<&'static str> {
    let reachable = super::reachable(root);
    let leads = |c: &&super::Constructor| {
        reachable.contains(c.name) && c.fields.iter().any(|f| super::reachable(inner(f.kind)).contains(constructor))
    };
    SCHEMA.constructors.iter().filter(leads).map(|c| c.name).collect()
}

/// The layer that the schema text says it is of.
pub(in crate::parse) fn layer() -> i32 {
    let first = include_str!("../../../tl/message.tl").lines().next().unwrap();
    first.split_once("layer ").unwrap().1.split(':').next().unwrap().parse().unwrap()
}
