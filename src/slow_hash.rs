//! Slow hashes for what people can remember or guess: passwords and passcodes. Argon2id with the library's defaults
//! (19 MiB, 2 passes: OWASP's first choice).

use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use std::sync::LazyLock;
use tokio::sync::Semaphore;

/// Each hash holds 19 MiB and a core for some 20 ms: more at once would only starve the pages.
static AT_ONCE: Semaphore = Semaphore::const_new(2);

/// Checked where there is nothing to check against, so that "no such user" takes as long as "wrong password".
static NOBODY: LazyLock<String> = LazyLock::new(|| hash_now("nobody").unwrap_or_default());

fn hash_now(secret: &str) -> Result<String, String> {
    Argon2::default().hash_password(secret.as_bytes()).map(|hash| hash.to_string()).map_err(|e| e.to_string())
}

/// Hashes a secret, off the caller's thread.
///
/// # Errors
/// When the system has no randomness or memory for it.
pub async fn hash(secret: String) -> Result<String, String> {
    let _turn = AT_ONCE.acquire().await.map_err(|e| e.to_string())?;
    tokio::task::spawn_blocking(move || hash_now(&secret)).await.unwrap_or_else(|e| Err(e.to_string()))
}

/// Whether the secret is the one that was hashed. `None` takes as long and is never right.
pub async fn verify(secret: String, hash: Option<String>) -> bool {
    let Ok(_turn) = AT_ONCE.acquire().await else { return false };
    let check = move || {
        let known = hash.is_some();
        let text = hash.unwrap_or_else(|| NOBODY.clone());
        let Ok(parsed) = argon2::PasswordHash::new(&text) else { return false };
        Argon2::default().verify_password(secret.as_bytes(), &parsed).is_ok() && known
    };
    tokio::task::spawn_blocking(check).await.unwrap_or(false)
}
