//! Claim checks: the same event without what makes it large, and a link to the whole of it
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/extensions/dataref.md>).

use serde_json::Value;

use super::Event;

/// What of an event's data is kept: which change it is, and what it is about.
const KEPT: [&str; 7] = ["epoch", "seq", "previous_seq", "version", "key", "deleted", "erased"];

impl Event {
    /// The claim check of an event: `dataref` is where a listener serves the whole of it, below its address. Id, type and subject stay.
    ///
    /// # Errors
    /// Never seen: the body is JSON of our own.
    pub fn claim_check(&self) -> serde_json::Result<Self> {
        let mut whole: serde_json::Map<String, Value> = serde_json::from_slice(&self.body)?;
        let data = whole.get_mut("data").and_then(Value::as_object_mut).map(std::mem::take).unwrap_or_default();
        let name_of = |name: &str| data.get(name).and_then(|part| part.get("name")).cloned();
        let watch = name_of("watch").map(|name| ("watch".to_owned(), serde_json::json!({ "name": name })));
        let epoch = data.get("epoch").and_then(Value::as_str).unwrap_or_default();
        let before = self.seq.0.saturating_sub(1);
        let dataref = format!("/v1/changes?after={epoch}:{before}&limit=1&events=true");
        let size = ("size".to_owned(), Value::from(self.body.len()));
        let kept =
            data.iter().filter(|(name, _)| KEPT.contains(&name.as_str())).map(|(name, value)| (name.clone(), value.clone()));
        let data: serde_json::Map<String, Value> = kept.chain(watch).chain([size]).collect();
        whole.insert("dataref".to_owned(), dataref.into());
        whole.insert("data".to_owned(), data.into());
        Ok(Self { body: serde_json::to_vec(&whole)?, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use crate::archive::{Archive, Durability, Raw};
    use crate::event::events;
    use crate::model::{Message, MessageId, MessageKey, PeerId, Seq, Timestamp};

    use super::*;

    #[test]
    fn a_claim_check_says_which_event_it_is_and_where_the_whole_of_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::open(&folder.path().join("archive"), Durability::Os).unwrap();
        for id in 1..=2 {
            let mut write = archive.write(Timestamp(10));
            let key = MessageKey::new(PeerId::channel(1), MessageId(id));
            write.message(Message { text: "长".repeat(100_000), ..Message::new(key, Timestamp(1)) }, Raw::default(), 0);
            if id == 1 {
                write.add_watch("all".parse().unwrap(), "长", None);
            }
            write.commit().unwrap();
        }
        let events = events(&archive.snapshot(), Seq(1), 10).unwrap();
        let epoch = archive.snapshot().epoch().to_string();
        let read = |body: &[u8]| serde_json::from_slice::<Value>(body).unwrap();
        assert_eq!(events.len(), 2, "the message and its match");
        for event in &events {
            let (claim, whole) = (event.claim_check().unwrap(), read(&event.body));
            assert!(event.body.len() > 300_000 && claim.body.len() < 1_000, "{}", claim.body.len());
            assert_eq!(
                (&claim.id, &claim.kind, &claim.routing_key, claim.seq),
                (&event.id, &event.kind, &event.routing_key, event.seq)
            );
            let body = read(&claim.body);
            for same in ["specversion", "id", "source", "type", "time", "subject", "datacontenttype"] {
                assert_eq!(body[same], whole[same], "{same}");
            }
            assert_eq!(body["dataref"], format!("/v1/changes?after={epoch}:1&limit=1&events=true"));
            let data = &body["data"];
            assert_eq!((&data["epoch"], &data["seq"], &data["previous_seq"]), (&epoch.clone().into(), &2.into(), &1.into()));
            assert_eq!((&data["size"], &data["message"]), (&event.body.len().into(), &Value::Null));
            assert_eq!(data["watch"]["name"], whole["data"]["watch"]["name"]);
        }
    }
}
