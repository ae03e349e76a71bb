//! What the configuration says of a collector of traces (OpenTelemetry).

use super::{SERVER_URL_FIX, Source, server_url};
use crate::traces::Collector;

/// What is of no use without an endpoint.
const BESIDE: [&str; 3] = ["traces.share", "traces.authorization", "traces.ca_file"];

impl Source {
    pub(super) fn traces(&mut self) -> Option<Collector> {
        if self.text("traces.endpoint").is_none() {
            for key in BESIDE.into_iter().filter(|key| self.values.contains_key(*key)).collect::<Vec<_>>() {
                self.faults.push(format!("{key}: needs traces.endpoint: name the collector, or remove {key}"));
            }
            return None;
        }
        let endpoint = self.parsed("traces.endpoint", SERVER_URL_FIX, server_url);
        let share = self.parsed("traces.share", "write a number from 0 to 1, as 0.1", |text| {
            text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share))
        });
        let authorization = self.text("traces.authorization");
        if authorization.as_deref().is_some_and(|text| !text.chars().all(|c| matches!(c, ' '..='~'))) {
            self.faults.push("traces.authorization: holds signs that no header can: write it in ASCII".to_owned());
        }
        let authorities = self.authorities("traces.ca_file");
        Some(Collector { endpoint: endpoint?, share: share?, authorization, authorities })
    }
}
