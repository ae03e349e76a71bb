//! Slow hashes for secrets that people can remember or guess: passwords and passcodes. Argon2id with the library's
//! defaults (19 MiB, 2 passes: OWASP's first choice).
//!
//! Passwords and passcodes have a lane each, with one core and one buffer. In a lane each caller waits for one turn at
//! a time: a caller who sends a thousand guesses waits behind their own, and delays nobody else. The buffers are kept,
//! since allocators do not give blocks of this size back: a thousand sign-ins would hold gigabytes.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// What is hashed. The two lanes never wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// passwords of users
    Passwords,
    /// passcodes of patients
    Passcodes,
}

/// The state of one lane.
struct Turns {
    /// first come, first served
    turn: Semaphore,
    /// the memory of Argon2, wiped after each use
    memory: Mutex<Vec<Block>>,
    /// a lock for each waiting caller: one request of each waits at `turn`, the others here
    callers: Mutex<HashMap<IpAddr, Arc<tokio::sync::Mutex<()>>>>,
}

impl Turns {
    fn new() -> Turns {
        Turns { turn: Semaphore::new(1), memory: Mutex::default(), callers: Mutex::default() }
    }

    fn for_lane(lane: Lane) -> &'static Turns {
        static PASSWORDS: LazyLock<Turns> = LazyLock::new(Turns::new);
        static PASSCODES: LazyLock<Turns> = LazyLock::new(Turns::new);
        match lane {
            Lane::Passwords => &PASSWORDS,
            Lane::Passcodes => &PASSCODES,
        }
    }

    /// Runs `work` with the lane's memory on a blocking thread; `None` where the program is ending, or `work` panics.
    async fn run<T: Send + 'static>(
        &'static self,
        work: impl FnOnce(&mut Vec<Block>) -> T + Send + 'static,
    ) -> Option<T> {
        let _turn = self.turn.acquire().await.ok()?;
        let run = move || {
            let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            let done = work(&mut memory);
            memory.fill(Block::default());
            done
        };
        tokio::task::spawn_blocking(run).await.ok()
    }

    fn caller(&self, from: IpAddr) -> Arc<tokio::sync::Mutex<()>> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        // callers who wait for nothing any more are referred to by this map only
        callers.retain(|_, caller| Arc::strong_count(caller) > 1);
        Arc::clone(callers.entry(from).or_default())
    }
}

/// The hash that is checked where there is none, so that "no such user" takes as long as "wrong password".
static NOBODY: LazyLock<String> = LazyLock::new(|| hash_now("nobody", &mut Vec::new()).unwrap_or_default());

/// Writes the output of Argon2 over a secret, using this memory.
fn argon2(
    secret: &[u8],
    salt: &[u8],
    (algorithm, version, params): (Algorithm, Version, Params),
    out: &mut [u8],
    memory: &mut Vec<Block>,
) -> Result<(), String> {
    memory.resize(params.block_count(), Block::default());
    let argon2 = Argon2::new(algorithm, version, params);
    argon2.hash_password_into_with_memory(secret, salt, out, memory.as_mut_slice()).map_err(|e| e.to_string())
}

fn hash_now(secret: &str, memory: &mut Vec<Block>) -> Result<String, String> {
    let (algorithm, version, params) = (Algorithm::default(), Version::default(), Params::default());
    let salt = Salt::generate();
    let mut out = [0; Params::DEFAULT_OUTPUT_LEN];
    argon2(secret.as_bytes(), &salt, (algorithm, version, params.clone()), &mut out, memory)?;
    let hash = PasswordHash {
        algorithm: algorithm.ident(),
        version: Some(version.into()),
        params: ParamsString::try_from(&params).map_err(|e| e.to_string())?,
        salt: Some(salt),
        hash: Some(Output::new(&out).map_err(|e| e.to_string())?),
    };
    Ok(hash.to_string())
}

fn is_hash_of(secret: &str, text: &str, memory: &mut Vec<Block>) -> Option<bool> {
    let hash = PasswordHash::new(text).ok()?;
    let (salt, expected) = (hash.salt?, hash.hash?);
    let algorithm = Algorithm::try_from(hash.algorithm.as_str()).ok()?;
    let version = Version::try_from(hash.version?).ok()?;
    let params = Params::try_from(&hash).ok()?;
    let mut out = [0; Output::MAX_LENGTH];
    let out = out.get_mut(..expected.len())?;
    argon2(secret.as_bytes(), &salt, (algorithm, version, params), out, memory).ok()?;
    // `Output` compares in constant time
    Some(Output::new(out).ok()? == expected)
}

/// Hashes a secret on a blocking thread.
///
/// # Errors
/// When there is no randomness or memory for it.
pub async fn hash(lane: Lane, secret: String) -> Result<String, String> {
    let done = Turns::for_lane(lane).run(move |memory| hash_now(&secret, memory)).await;
    done.unwrap_or_else(|| Err("the program is ending".into()))
}

/// Whether `hash` is of this secret. `None` takes as long and is never right. `from` is the caller who waits.
pub async fn verify(lane: Lane, from: IpAddr, secret: String, hash: Option<String>) -> bool {
    let turns = Turns::for_lane(lane);
    let caller = turns.caller(from);
    let _one_at_a_time = caller.lock().await;
    let check = move |memory: &mut Vec<Block>| {
        let known = hash.is_some();
        let text = hash.unwrap_or_else(|| NOBODY.clone());
        is_hash_of(&secret, &text, memory) == Some(true) && known
    };
    turns.run(check).await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::{Lane, hash, verify};
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const FROM: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));

    #[tokio::test]
    async fn only_the_secret_itself_is_right() {
        let hashed = hash(Lane::Passwords, "correct horse".into()).await.unwrap();
        assert!(hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hashed}");
        assert!(verify(Lane::Passwords, FROM, "correct horse".into(), Some(hashed.clone())).await);
        assert!(!verify(Lane::Passwords, FROM, "correct horsf".into(), Some(hashed.clone())).await);
        assert!(!verify(Lane::Passwords, FROM, "correct horse".into(), None).await);
        assert!(!verify(Lane::Passwords, FROM, "nobody".into(), None).await);
        assert!(!verify(Lane::Passwords, FROM, String::new(), Some("no hash".into())).await);
        // a hash that another program made by the same standard can be checked
        let library = argon2::PasswordHasher::hash_password(&argon2::Argon2::default(), b"correct horse").unwrap();
        assert!(verify(Lane::Passcodes, FROM, "correct horse".into(), Some(library.to_string())).await);
    }

    #[tokio::test]
    async fn who_guesses_a_lot_waits_behind_their_own() {
        let many = Arc::new(AtomicUsize::new(0));
        let guesses: Vec<_> = (0..40)
            .map(|n| {
                let many = Arc::clone(&many);
                tokio::spawn(async move {
                    verify(Lane::Passwords, FROM, format!("guess {n}"), None).await;
                    many.fetch_add(1, Ordering::Relaxed);
                })
            })
            .collect();
        while many.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        let before = many.load(Ordering::Relaxed);
        verify(Lane::Passwords, IpAddr::V4(Ipv4Addr::new(203, 0, 113, 2)), "mine".into(), None).await;
        let during = many.load(Ordering::Relaxed) - before;
        assert!(during <= 3, "{during} guesses of somebody else came first");
        for guess in guesses {
            guess.await.unwrap();
        }
    }
}
