//! TL values made from Telegram's own schema text, independently of the library that the program reads them with.

pub(super) mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::LazyLock;

/// How deep a random value may nest before it takes the plainest form.
const DEPTH_MAX: u32 = 5;

struct Field {
    name: &'static str,
    /// The flags word and the bit that say whether it is there.
    flag: Option<(&'static str, u32)>,
    kind: &'static str,
}

struct Constructor {
    name: &'static str,
    id: u32,
    result: &'static str,
    fields: Vec<Field>,
}

struct Schema {
    constructors: Vec<Constructor>,
    /// The constructors of each type.
    of: BTreeMap<&'static str, Vec<usize>>,
}

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let mut constructors = Vec::new();
    let mut of: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for line in include_str!("../../tl/message.tl").lines().filter(|line| !line.starts_with("//")) {
        let (left, result) = line.trim_end_matches(';').split_once(" = ").unwrap();
        let mut parts = left.split(' ');
        let (name, id) = parts.next().unwrap().split_once('#').unwrap();
        let fields = parts.map(|part| {
            let (name, kind) = part.split_once(':').unwrap();
            let flag = kind.split_once('?').map(|(flag, _)| flag.split_once('.').unwrap());
            let flag = flag.map(|(word, bit)| (word, bit.parse().unwrap()));
            Field { name, flag, kind: kind.split_once('?').map_or(kind, |(_, kind)| kind) }
        });
        of.entry(result).or_default().push(constructors.len());
        let id = u32::from_str_radix(id, 16).unwrap();
        constructors.push(Constructor { name, id, result, fields: fields.collect() });
    }
    let basic = ["#", "true", "int", "long", "double", "string", "bytes"];
    for field in constructors.iter().flat_map(|c| &c.fields) {
        assert!(
            basic.contains(&inner(field.kind)) || of.contains_key(inner(field.kind)),
            "`{}` is not in the schema",
            field.kind
        );
    }
    Schema { constructors, of }
});

/// The type of a list's items, or the type itself.
fn inner(kind: &'static str) -> &'static str {
    kind.strip_prefix("Vector<").map_or(kind, |inner| inner.trim_end_matches('>'))
}

/// The names of the constructors of a type.
pub(super) fn constructors_of(result: &str) -> Vec<&'static str> {
    SCHEMA.of[result].iter().map(|at| SCHEMA.constructors[*at].name).collect()
}

/// The names of the constructors that a value of a type may hold, at whatever depth.
pub(super) fn reachable(root: &'static str) -> BTreeSet<&'static str> {
    let (mut seen, mut left) = (BTreeSet::new(), vec![root]);
    let mut names = BTreeSet::new();
    while let Some(kind) = left.pop() {
        let Some(of) = SCHEMA.of.get(kind).filter(|_| seen.insert(kind)) else { continue };
        for constructor in of.iter().map(|at| &SCHEMA.constructors[*at]) {
            names.insert(constructor.name);
            left.extend(constructor.fields.iter().map(|f| inner(f.kind)));
        }
    }
    names
}

/// The way to a constructor: how many steps away from it each type is.
#[derive(Clone)]
struct Way {
    to: &'static str,
    steps: Rc<BTreeMap<&'static str, usize>>,
}

impl Way {
    fn new(to: &'static str) -> Self {
        let target = SCHEMA.constructors.iter().find(|c| c.name == to).unwrap();
        let mut steps = BTreeMap::from([(target.result, 0)]);
        loop {
            let mut next = steps.clone();
            for constructor in &SCHEMA.constructors {
                if let Some(found) = constructor.fields.iter().filter_map(|f| steps.get(inner(f.kind))).min() {
                    let here = next.entry(constructor.result).or_insert(usize::MAX);
                    *here = (*here).min(found + 1);
                }
            }
            if next == steps {
                return Self { to, steps: Rc::new(steps) };
            }
            steps = next;
        }
    }

    /// The field of a constructor that leads nearest.
    fn field<'c>(&self, constructor: &'c Constructor) -> Option<(usize, &'c Field)> {
        let near = |f: &'c Field| self.steps.get(inner(f.kind)).map(|steps| (*steps, f));
        constructor.fields.iter().filter_map(near).min_by_key(|(steps, _)| *steps)
    }

    fn constructor(&self, kind: &str) -> Option<&'static Constructor> {
        let steps_of = |c: &'static Constructor| match c.name == self.to {
            true => Some((0, c)),
            false => self.field(c).map(|(steps, _)| (steps + 1, c)),
        };
        let of = SCHEMA.of.get(kind)?.iter().map(|at| &SCHEMA.constructors[*at]);
        of.filter_map(steps_of).min_by_key(|(steps, _)| *steps).map(|(_, c)| c)
    }
}

/// A flag that is set.
pub(super) fn yes() -> Vec<u8> {
    Vec::new()
}

pub(super) fn int(value: i32) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

pub(super) fn long(value: i64) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

pub(super) fn double(value: f64) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

pub(super) fn string(value: &str) -> Vec<u8> {
    bytes(value.as_bytes())
}

pub(super) fn bytes(value: &[u8]) -> Vec<u8> {
    let length = u32::try_from(value.len()).unwrap().to_le_bytes();
    let mut out = if value.len() < 254 { vec![length[0]] } else { vec![254, length[0], length[1], length[2]] };
    out.extend(value);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

pub(super) fn list(values: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let values: Vec<_> = values.into_iter().collect();
    let mut out = 0x1cb5_c415_u32.to_le_bytes().to_vec();
    out.extend(u32::try_from(values.len()).unwrap().to_le_bytes());
    out.extend(values.concat());
    out
}

/// A boxed value of a constructor: with the given fields, the others absent or as plain as they can be.
pub(super) fn made(name: &str, given: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let constructor = SCHEMA.constructors.iter().find(|c| c.name == name).unwrap_or_else(|| panic!("no `{name}` in the schema"));
    for (field, _) in given {
        assert!(constructor.fields.iter().any(|f| f.name == *field), "`{name}` has no `{field}`");
    }
    write(constructor, &mut |field| given.iter().find(|(name, _)| *name == field.name).map(|(_, value)| value.clone()))
}

fn write(constructor: &Constructor, value: &mut dyn FnMut(&Field) -> Option<Vec<u8>>) -> Vec<u8> {
    let mut values: Vec<Option<Vec<u8>>> =
        constructor.fields.iter().map(|f| if f.kind == "#" { None } else { value(f) }).collect();
    let flags: Vec<_> = constructor.fields.iter().zip(&values).filter(|(_, v)| v.is_some()).filter_map(|(f, _)| f.flag).collect();
    for (field, value) in constructor.fields.iter().zip(&mut values) {
        // Fields that share a bit come together.
        let needed = field.kind != "#" && field.flag.is_none_or(|flag| flags.contains(&flag));
        if needed && value.is_none() {
            *value = Some(plain(field.kind));
        }
    }
    let mut out = constructor.id.to_le_bytes().to_vec();
    for (field, value) in constructor.fields.iter().zip(values) {
        if field.kind == "#" {
            let word = flags.iter().filter(|(word, _)| *word == field.name).fold(0_u32, |bits, (_, bit)| bits | 1 << bit);
            out.extend(word.to_le_bytes());
        } else if field.kind != "true" {
            out.extend(value.unwrap_or_default());
        }
    }
    out
}

fn plain(kind: &str) -> Vec<u8> {
    match kind {
        "true" => yes(),
        "int" => int(0),
        "long" => long(0),
        "double" => double(0.0),
        "string" | "bytes" => bytes(b""),
        kind if kind.starts_with("Vector<") => list([]),
        kind => write(plainest(kind), &mut |_| None),
    }
}

fn plainest(kind: &str) -> &'static Constructor {
    let of = SCHEMA.of.get(kind).unwrap_or_else(|| panic!("no `{kind}` in the schema"));
    let required = |c: &&Constructor| c.fields.iter().filter(|f| f.flag.is_none()).count();
    of.iter().map(|at| &SCHEMA.constructors[*at]).min_by_key(required).unwrap()
}

/// Values that follow from a seed, so that a failure can be repeated.
pub(super) struct Random {
    seed: u64,
    way: Option<Way>,
    /// Where it goes on from the end of the way.
    onwards: Option<Way>,
    /// The constructors that were used so far.
    pub(super) used: BTreeSet<&'static str>,
}

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, way: None, onwards: None, used: BTreeSet::new() }
    }

    /// The next value of a type that can hold this constructor holds it.
    pub(super) fn towards(mut self, constructor: &'static str) -> Self {
        self.way = Some(Way::new(constructor));
        self
    }

    /// The constructor that it leads to holds this one, if it can.
    pub(super) fn and_on_to(mut self, constructor: &'static str) -> Self {
        self.onwards = Some(Way::new(constructor));
        self
    }

    pub(super) fn next(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.seed;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    fn of<T: Clone>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())].clone()
    }

    /// A random boxed value of a type, with numbers at their ends more often than not.
    pub(super) fn value(&mut self, kind: &'static str, depth: u32) -> Vec<u8> {
        match kind {
            "true" => yes(),
            "int" => {
                let any = self.next() as i32;
                int(self.of(&[i32::MIN, -1, 0, 1, 7, i32::MAX, any]))
            }
            "long" => {
                let any = self.next() as i64;
                long(self.of(&[i64::MIN, -1, 0, 1, 1_000_000_000_000, i64::MAX, any]))
            }
            "double" => {
                let any = f64::from_bits(self.next());
                double(self.of(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.5, 1e300, f64::MIN_POSITIVE, any]))
            }
            "string" => {
                let long = "длинный 今天 ".repeat(self.below(40));
                string(self.of(&["", "a", "今天天气很好", "\0\u{7f}\u{202e}\"\\\n", "👩‍👩‍👧", long.as_str()]))
            }
            "bytes" => {
                let length = self.of(&[0, 1, 3, 253, 254, 300]);
                bytes(&(0..length).map(|_| self.next() as u8).collect::<Vec<_>>())
            }
            kind if kind.starts_with("Vector<") => {
                let item = inner(kind);
                let length = if depth > DEPTH_MAX { 0 } else { self.of(&[0, 1, 2, 3]) };
                let length = if matches!(item, "int" | "long") && self.below(20) == 0 { 5_000 } else { length };
                let length = length.max(usize::from(self.way.is_some()));
                list((0..length).map(|_| self.value(item, depth + 1)).collect::<Vec<_>>())
            }
            kind => {
                let on_the_way = self.way.as_ref().and_then(|way| way.constructor(kind));
                let of = &SCHEMA.of[kind];
                let chosen = match on_the_way {
                    Some(constructor) => constructor,
                    None if depth > DEPTH_MAX => plainest(kind),
                    None => &SCHEMA.constructors[of[self.below(of.len())]],
                };
                self.constructor(chosen, depth)
            }
        }
    }

    /// A random value of one constructor.
    pub(super) fn named(&mut self, name: &str) -> Vec<u8> {
        self.constructor(SCHEMA.constructors.iter().find(|c| c.name == name).unwrap(), 0)
    }

    fn constructor(&mut self, constructor: &Constructor, depth: u32) -> Vec<u8> {
        self.used.insert(constructor.name);
        // The way goes on through one of the fields only.
        let mut way = self.way.take();
        if way.as_ref().is_some_and(|way| way.to == constructor.name) {
            way = self.onwards.take();
        }
        let onwards = way.as_ref().and_then(|way| way.field(constructor)).map(|(_, field)| field.name);
        write(constructor, &mut |field| {
            if onwards == Some(field.name) {
                self.way = way.take();
                let value = self.value(field.kind, depth + 1);
                self.way = None;
                return Some(value);
            }
            let absent = field.flag.is_some() && (depth > DEPTH_MAX || self.below(2) == 0);
            (!absent).then(|| self.value(field.kind, depth + 1))
        })
    }
}
