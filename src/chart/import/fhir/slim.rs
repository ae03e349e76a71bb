//! A resource as it is stored: on one line, with all digits of its numbers, and its files taken out.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// How deep objects and lists may be nested: HL7's own examples have 15 levels.
const DEEPEST: usize = 60;

/// Marks, before its number, the place of a file in the JSON of a resource: base64 never begins with this character.
pub(super) const TAKEN_OUT: char = '@';

/// A resource on one line.
#[derive(Debug, Default)]
pub(super) struct Slim {
    pub json: String,
    /// the base64 of its files, in the order of their numbers, with the type that the record declares for each
    pub files: Vec<(String, Option<String>)>,
}

/// The members of an object, in the order in which they are written.
pub(super) struct Members<'a>(pub Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Outer;
        impl<'de> Visitor<'de> for Outer {
            type Value = Members<'de>;
            fn expecting(&self, to: &mut std::fmt::Formatter) -> std::fmt::Result {
                to.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(Outer)
    }
}

/// Makes the stored form from the JSON of a resource; `None` where it is nested too deep.
pub(super) fn slim(json: &str) -> Option<Slim> {
    let mut slim = Slim::default();
    slim.put(json, DEEPEST, false).then_some(slim)
}

impl Slim {
    fn put(&mut self, json: &str, depth: usize, sampled: bool) -> bool {
        let Some(deeper) = depth.checked_sub(1) else { return false };
        match json.as_bytes().first() {
            Some(b'{') => self.object(json, deeper, sampled),
            Some(b'[') => {
                let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(json) else { return false };
                self.json.push('[');
                for (n, item) in list.into_iter().enumerate() {
                    if n > 0 {
                        self.json.push(',');
                    }
                    if !self.put(item.get(), deeper, sampled) {
                        return false;
                    }
                }
                self.json.push(']');
                true
            }
            _ => {
                self.json.push_str(json);
                true
            }
        }
    }

    fn object(&mut self, json: &str, deeper: usize, sampled: bool) -> bool {
        let Ok(Members(members)) = serde_json::from_str::<Members>(json) else { return false };
        let declared = members.iter().find(|(key, _)| key == "contentType");
        let declared: Option<String> = declared.and_then(|(_, raw)| serde_json::from_str(raw.get()).ok());
        self.json.push('{');
        let mut first = true;
        for (key, value) in members {
            // portraits have no place in a chart
            if key == "photo" {
                continue;
            }
            let Ok(name) = serde_json::to_string(&key) else { return false };
            if !first {
                self.json.push(',');
            }
            first = false;
            self.json.push_str(&name);
            self.json.push(':');
            // the samples of SampledData (R4 §2.24.0.9) are text, all other data are files
            if key == "data" && !sampled {
                let data = serde_json::from_str::<String>(value.get()).unwrap_or_default();
                self.json.push_str(&format!("\"{TAKEN_OUT}{}\"", self.files.len()));
                self.files.push((data, declared.clone()));
            } else if !self.put(value.get(), deeper, key == "valueSampledData") {
                return false;
            }
        }
        self.json.push('}');
        true
    }
}
