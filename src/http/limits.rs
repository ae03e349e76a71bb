//! How often somebody may try, held in memory. What must hold on several instances and across restarts (the tries of
//! a passcode) is counted in the database besides.

use crate::access::PortalVisit;
use crate::db::{CaregiverId, PatientId};
use crate::error::AppError;
use governor::clock::Clock;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use sha2::{Digest, Sha256};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

/// The limiters.
pub struct Limits {
    account: DefaultKeyedRateLimiter<(IpAddr, Account)>,
    account_anywhere: DefaultKeyedRateLimiter<Account>,
    sign_in: DefaultKeyedRateLimiter<IpAddr>,
    passcode: DefaultKeyedRateLimiter<IpAddr>,
    link: DefaultKeyedRateLimiter<IpAddr>,
    visit: DefaultKeyedRateLimiter<IpAddr>,
    reply: DefaultKeyedRateLimiter<Writer>,
    draft: DefaultKeyedRateLimiter<Writer>,
}

/// The patient, or the caregiver who writes in their place: neither uses up what the other has.
type Writer = (PatientId, Option<CaregiverId>);

fn writer(visit: &PortalVisit) -> Writer {
    (visit.patient(), visit.caregiver())
}

/// An account by the hash of what was typed: a key has one size, whatever is sent.
type Account = [u8; 16];

fn account(email: &str) -> Account {
    let digest = Sha256::digest(email.trim().to_lowercase().as_bytes());
    std::array::from_fn(|at| digest[at])
}

fn quota(burst: u32, every: Duration) -> Quota {
    let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
    Quota::with_period(every).unwrap_or(Quota::per_second(burst)).allow_burst(burst)
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            // guessing at one account from one place
            account: RateLimiter::keyed(quota(20, Duration::from_secs(6))),
            // guessing at one account from many places: slower than anybody types, so the user still gets in
            account_anywhere: RateLimiter::keyed(quota(100, Duration::from_secs(3))),
            // guessing at many accounts from one place: a whole clinic may sign in from one address at eight o'clock
            sign_in: RateLimiter::keyed(quota(200, Duration::from_secs(1))),
            // asking for passcodes and trying them, from one place: a clinic's waiting room shares an address
            passcode: RateLimiter::keyed(quota(60, Duration::from_secs(1))),
            // opening links: mail scanners open each one many times
            link: RateLimiter::keyed(quota(300, Duration::from_millis(100))),
            // going to the identity provider and coming back, two for each sign-in: again a whole clinic at eight o'clock
            visit: RateLimiter::keyed(quota(400, Duration::from_millis(500))),
            // what one patient or caregiver sends: more than anybody writes, less than fills a clinic's day
            reply: RateLimiter::keyed(quota(60, Duration::from_secs(10))),
            // what is saved as one of them types: a script does so every few seconds
            draft: RateLimiter::keyed(quota(240, Duration::from_secs(1))),
        }
    }
}

/// What one caller can be held to: an IPv4 address, or the /64 that a network gives to one customer (RFC 6177), who is
/// free to use all addresses in it.
pub fn caller(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        v4 => v4,
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
        let (from, account) = (caller(from), account(email));
        check(&self.sign_in, &from)?;
        check(&self.account, &(from, account))?;
        check(&self.account_anywhere, &account)
    }

    /// One passcode asked for or tried.
    ///
    /// # Errors
    /// [`AppError::TooMany`].
    pub fn passcode(&self, from: IpAddr) -> Result<(), AppError> {
        check(&self.passcode, &caller(from))
    }

    /// One way to the identity provider, or back.
    ///
    /// # Errors
    /// [`AppError::TooMany`].
    pub fn visit(&self, from: IpAddr) -> Result<(), AppError> {
        check(&self.visit, &caller(from))
    }

    /// One reply or one-tap answer of a patient or caregiver.
    ///
    /// # Errors
    /// [`AppError::TooMany`].
    pub fn reply(&self, visit: &PortalVisit) -> Result<(), AppError> {
        check(&self.reply, &writer(visit))
    }

    /// What one of them is typing, kept once more.
    ///
    /// # Errors
    /// [`AppError::TooMany`].
    pub fn draft(&self, visit: &PortalVisit) -> Result<(), AppError> {
        check(&self.draft, &writer(visit))
    }

    /// One link opened.
    ///
    /// # Errors
    /// [`AppError::TooMany`].
    pub fn link(&self, from: IpAddr) -> Result<(), AppError> {
        check(&self.link, &caller(from))
    }
}

#[cfg(test)]
mod tests {
    use super::Limits;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    #[test]
    fn all_addresses_of_one_network_are_one_caller() {
        let (limits, network) = (Limits::default(), 0x2001_0db8_0000_0001_u128 << 64);
        let from = |last: u128| IpAddr::from(Ipv6Addr::from_bits(network | last << 20));
        let taken = (0..1_000).filter(|last| limits.passcode(from(*last)).is_ok()).count();
        assert!((60..70).contains(&taken), "{taken}");
        assert!(limits.passcode(Ipv6Addr::from_bits(network + (1 << 64)).into()).is_ok(), "the next network");
        // an IPv4 address is a caller of its own, also where it is written as IPv6
        let v4 = |last: u8| Ipv4Addr::new(203, 0, 113, last);
        assert!((0..200).all(|last| limits.passcode(v4(last).to_ipv6_mapped().into()).is_ok()));
        assert!((0..200).filter(|_| limits.passcode(v4(7).into()).is_ok()).count() < 70);
    }

    #[test]
    fn many_accounts_are_not_guessed_at_from_one_place() {
        let (limits, from) = (Limits::default(), IpAddr::from(Ipv4Addr::new(203, 0, 113, 9)));
        let taken = (0..1_000).filter(|n| limits.sign_in(from, &format!("user{n}@clinic.example")).is_ok()).count();
        assert!((200..210).contains(&taken), "{taken}");
    }
}
