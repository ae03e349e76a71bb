//! How often somebody may try, held in memory. What must hold on several instances and across restarts (the tries of
//! a passcode) is counted in the database besides.

use crate::error::AppError;
use governor::clock::Clock;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

/// The limiters.
pub struct Limits {
    sign_in: DefaultKeyedRateLimiter<String>,
    passcode: DefaultKeyedRateLimiter<IpAddr>,
    link: DefaultKeyedRateLimiter<IpAddr>,
}

fn quota(burst: u32, every: Duration) -> Quota {
    let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
    Quota::with_period(every).unwrap_or(Quota::per_second(burst)).allow_burst(burst)
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            // guessing at one account from one place
            sign_in: RateLimiter::keyed(quota(20, Duration::from_secs(6))),
            // asking for passcodes and trying them, from one place: a clinic's waiting room shares an address
            passcode: RateLimiter::keyed(quota(60, Duration::from_secs(1))),
            // opening links: mail scanners open each one many times
            link: RateLimiter::keyed(quota(300, Duration::from_millis(100))),
        }
    }
}

fn check<K: Clone + std::hash::Hash + Eq>(limiter: &DefaultKeyedRateLimiter<K>, key: &K) -> Result<(), AppError> {
    if limiter.len() > 10_000 {
        limiter.retain_recent();
    }
    limiter.check_key(key).map_err(|until| {
        let wait = until.wait_time_from(governor::clock::DefaultClock::default().now());
        AppError::TooMany { seconds: wait.as_secs() + 1 }
    })
}

impl Limits {
    /// One try at signing in.
    ///
    /// # Errors
    /// [`AppError::TooMany`].
    pub fn sign_in(&self, from: IpAddr, email: &str) -> Result<(), AppError> {
        check(&self.sign_in, &format!("{from} {}", email.trim().to_lowercase()))
    }

    /// One passcode asked for or tried.
    ///
    /// # Errors
    /// [`AppError::TooMany`].
    pub fn passcode(&self, from: IpAddr) -> Result<(), AppError> {
        check(&self.passcode, &from)
    }

    /// One link opened.
    ///
    /// # Errors
    /// [`AppError::TooMany`].
    pub fn link(&self, from: IpAddr) -> Result<(), AppError> {
        check(&self.link, &from)
    }
}
