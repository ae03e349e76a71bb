//! FEATURE: the EMRs and laboratories that charts come from, as the clinic's owners see them: the key by which Postern
//! signs in there, whether a source is synced and written back to, and the test of its connection.

mod keys;
mod switches;
mod trial;

pub use keys::{KEYS_PATH, PresentKey, key_source, prepare, present, published, renew};
pub use switches::{SourceState, Switches, save_switches, source_state, source_states};
pub use trial::{Outcome, Step, Tried, read_trial, save_trial, try_out};
