//! What a running aggregator or worker tells its surroundings: one typed stream of events, which the program prints
//! as lines of JSON, `up` reads back from its processes, and tests listen to.
//!
//! Invariants: emitting never blocks and never fails; a sink that cannot keep up drops progress first. Every event
//! is one JSON object with its name under `event`; unknown fields are ignored by readers, so events may grow.

use std::fmt;
use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use serde_json::{Map, Value};

use crate::rounds::RoundRecord;

/// The key of an event's name.
const NAME_KEY: &str = "event";

/// One thing that happened in a process of a swarm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "snake_case")]
pub enum Event {
    /// Which devices were found, which one was taken and why not the others.
    Devices(Devices),
    /// `up` started or restarted one of its processes.
    Process(Process),
    /// The text that the run trains on, once it has been read.
    Corpus(Corpus),
    /// The aggregator accepts workers.
    Listening(Listening),
    /// The run is resolved: what it will do, and the loss from which it starts.
    Run(RunStart),
    /// A worker was admitted (aggregator) or this worker was (worker).
    Joined(Joined),
    /// A worker's connection was lost.
    Left(Left),
    /// Inner steps of this worker; sent at most a few times a second.
    Inner(Inner),
    /// A round committed: the line of `rounds.jsonl`.
    Round(RoundRecord),
    /// A round ended without a commit; its residuals are kept.
    RoundAbandoned(RoundAbandoned),
    /// This worker applied a committed round.
    RoundApplied(RoundApplied),
    /// A complete checkpoint was written.
    Checkpoint(CheckpointWritten),
    /// The run reached its last round.
    Finished(Finished),
    /// Something that the user should read.
    Warning(Warning),
    /// The process ends with an error.
    Failed(Failed),
}

impl Event {
    /// Whether the event only reports progress and may be dropped when the reader is slow.
    #[must_use]
    pub fn is_progress(&self) -> bool {
        matches!(self, Event::Inner(_))
    }
}

// Tagged by hand: a derived internal tag cannot read floats under serde_json's `arbitrary_precision`, which Aptos's
// library turns on. The derived form is {name: fields}; here it is {event: name, ...fields}.
impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tagged = Event::serialize(self, serde_json::value::Serializer).map_err(ser::Error::custom)?;
        let Value::Object(tagged) = tagged else { return Err(ser::Error::custom("an event without a name")) };
        let mut map = serializer.serialize_map(None)?;
        for (name, fields) in &tagged {
            map.serialize_entry(NAME_KEY, name)?;
            for (key, value) in fields.as_object().into_iter().flatten() {
                map.serialize_entry(key, value)?;
            }
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Map::deserialize(deserializer)?;
        let Some(Value::String(name)) = fields.remove(NAME_KEY) else {
            return Err(de::Error::missing_field(NAME_KEY));
        };
        let tagged = Map::from_iter([(name, Value::Object(fields))]);
        Event::deserialize(Value::Object(tagged)).map_err(de::Error::custom)
    }
}

/// See [`Event::Devices`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Devices {
    /// Every device that this build can see, in words.
    pub found: Vec<String>,
    /// The one that trains.
    pub chosen: String,
    /// Why each of the others was not taken.
    pub reasons: Vec<String>,
    /// CPU threads that the process uses.
    pub threads: usize,
}

/// See [`Event::Process`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// `aggregator` or `worker`.
    pub role: String,
    /// Its number among those of its role, from 0.
    pub ordinal: usize,
    /// Its process id.
    pub pid: u32,
}

/// See [`Event::Corpus`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Corpus {
    /// Where the text comes from, in words.
    pub source: String,
    pub files: u64,
    pub bytes: u64,
    /// Tokens to train on.
    pub train_tokens: u64,
    /// Tokens held out for evaluation.
    pub heldout_tokens: u64,
    /// Mean loss of the unigram model on the held-out tokens, in nats per token.
    pub unigram_loss: f64,
}

/// See [`Event::Listening`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Listening {
    /// The one string that `cotrain worker` needs.
    pub invite: String,
    /// The run directory, absolute.
    pub run_dir: String,
    /// Multiaddresses that the aggregator listens on, with their final ports.
    pub addresses: Vec<String>,
}

/// See [`Event::Run`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunStart {
    /// The session's id in hexadecimal.
    pub session: String,
    /// Parameters of the model.
    pub parameters: u64,
    /// Outer steps that end the run.
    pub outer_steps_planned: u64,
    /// Outer steps already committed (not 0 after a resume).
    pub outer_steps: u64,
    /// Workers that the first round waits for.
    pub workers: usize,
    /// Inner steps of a round.
    pub inner_steps: u64,
    /// Name of the codec after the warm-up.
    pub codec: String,
    /// Held-out loss of the initial parameters, in nats per token.
    pub initial_loss: f64,
    /// Mean loss of the unigram model on the held-out tokens, in nats per token.
    pub unigram_loss: f64,
}

/// See [`Event::Joined`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Joined {
    /// The worker's id in hexadecimal.
    pub worker: String,
    /// Members of the roster now.
    pub members: usize,
}

/// See [`Event::Left`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Left {
    /// The worker's id in hexadecimal.
    pub worker: String,
    pub reason: String,
}

/// See [`Event::Inner`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Inner {
    pub round: u64,
    /// Inner steps done in it.
    pub step: u64,
    /// Inner steps of a round.
    pub steps: u64,
    /// Training loss of the step, in nats per token.
    pub loss: f64,
    /// Tokens per second over the round so far.
    pub tokens_per_s: f64,
}

/// See [`Event::RoundAbandoned`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RoundAbandoned {
    pub round: u64,
    pub reason: String,
}

/// See [`Event::RoundApplied`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RoundApplied {
    pub round: u64,
    /// Hash of the state after it, hexadecimal.
    pub state_hash: String,
}

/// See [`Event::Checkpoint`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CheckpointWritten {
    /// The round after which it was taken.
    pub round: u64,
    /// Its directory, absolute.
    pub path: String,
}

/// See [`Event::Finished`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// Outer steps committed in all.
    pub outer_steps: u64,
    /// Hash of the final state, hexadecimal.
    pub state_hash: String,
    /// Held-out loss of the final state, in nats per token, where this process evaluated it.
    pub eval_loss: Option<f64>,
}

/// See [`Event::Warning`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Warning {
    /// What happened and what would do.
    pub message: String,
}

/// See [`Event::Failed`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Failed {
    /// What went wrong and what would do.
    pub message: String,
    /// Whether the program was used wrongly (exit code 2).
    pub wrong_use: bool,
}

/// Where events go.
pub trait EventSink: Send + Sync {
    /// Takes one event; returns at once.
    fn emit(&self, event: Event);
}

/// A handle on a sink that every task of a process may hold.
#[derive(Clone)]
pub struct Events(Arc<dyn EventSink>);

impl Events {
    /// Sends every event to `sink`.
    pub fn new(sink: Arc<dyn EventSink>) -> Self {
        Self(sink)
    }

    /// Drops every event.
    #[must_use]
    pub fn none() -> Self {
        Self(Arc::new(Nowhere))
    }

    /// Hands `event` to the sink; returns at once.
    pub fn emit(&self, event: Event) {
        self.0.emit(event);
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Events")
    }
}

struct Nowhere;

impl EventSink for Nowhere {
    fn emit(&self, _: Event) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_is_one_object_with_its_name_and_reads_back_with_its_floats() {
        let event = Event::Inner(Inner { round: 1, step: 2, steps: 10, loss: 5.25, tokens_per_s: 1000.5 });
        let text = serde_json::to_string(&event).unwrap();
        assert!(text.starts_with("{\"event\":\"inner\","), "{text}");
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
        let round = Event::Round(RoundRecord { eval_loss: Some(2.5), ..RoundRecord::empty(protocol::Round(3)) });
        let text = serde_json::to_string(&round).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), round);
    }

    #[test]
    fn a_later_version_may_add_fields_and_no_name_is_an_error() {
        let read = |value: Value| serde_json::from_value::<Event>(value);
        let warning = Event::Warning(Warning { message: "low".to_owned() });
        assert_eq!(read(json!({ "event": "warning", "message": "low", "since": 1.5 })).unwrap(), warning);
        assert!(read(json!({ "message": "low" })).unwrap_err().to_string().contains("event"));
        assert!(read(json!({ "event": "unheard_of" })).unwrap_err().to_string().contains("unheard_of"));
    }
}
