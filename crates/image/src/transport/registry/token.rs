//! What is shown to a registry so that it answers: passwords, and tokens from
//! the server that it names (Docker's "Token Authentication" and "OAuth 2").

use std::collections::HashMap;
use std::fmt;
use std::sync::MutexGuard;
use std::time::{Duration, Instant};

use serde::Deserialize;
use ureq::http::{Method, Request, StatusCode, Uri};

use super::agents::is_loopback;
use super::challenge::Challenge;
use super::client::{Call, Client, is_passing, lock, message, send_bytes};
use super::credentials::{Credential, basic};
use crate::error::{Error, Result};
use crate::transport::http;

/// Tokens of some registries list every group of the user.
const MAX_TOKEN: u64 = 1 << 20;

/// Tokens by host and scope.
pub(super) type Tokens = HashMap<(String, String), Token>;

/// A token, and until when it is good.
#[derive(Clone)]
pub(super) struct Token {
    value: String,
    expires: Option<Instant>,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Client {
    /// Forgets a token that was refused, unless another thread has renewed it.
    pub(super) fn forget_token(&self, call: &Call<'_>, authorization: Option<&str>) {
        let refused = authorization.and_then(|text| text.strip_prefix("Bearer "));
        let key = self.token_key(call);
        let mut tokens = self.tokens();
        if tokens.get(&key).map(|token| token.value.as_str()) == refused {
            tokens.remove(&key);
        }
    }

    fn tokens(&self) -> MutexGuard<'_, Tokens> {
        lock(&self.tokens)
    }

    fn token_key(&self, call: &Call<'_>) -> (String, String) {
        (call.endpoint.authority.clone(), call.scope.to_owned())
    }

    /// Returns what a host is known to want to see before it answers.
    pub(super) fn authorization(&self, call: &Call<'_>) -> Result<Option<String>> {
        let challenge = lock(&self.challenges)
            .get(&call.endpoint.authority)
            .cloned();
        let find = || {
            let credentials = &self.options.credentials;
            credentials.find(&call.endpoint.host, &call.endpoint.repository(call.name))
        };
        match challenge {
            None => Ok(None),
            Some(Challenge::Basic) => Ok(match find()? {
                Some(Credential::Password { username, password }) => {
                    Some(basic(&username, &password))
                }
                Some(Credential::IdentityToken(token)) => Some(format!("Bearer {token}")),
                None => None,
            }),
            Some(Challenge::Bearer {
                realm,
                service,
                scope,
            }) => {
                let mut tokens = self.tokens();
                let key = self.token_key(call);
                let fresh = |token: &&Token| token.expires.is_none_or(|at| at > Instant::now());
                if let Some(token) = tokens.get(&key).filter(fresh) {
                    return Ok(Some(format!("Bearer {}", token.value)));
                }
                let scopes = merge_scopes(call.scope, &scope);
                let token = self.fetch_token(call, &realm, &service, &scopes, find()?)?;
                let value = format!("Bearer {}", token.value);
                tokens.insert(key, token);
                Ok(Some(value))
            }
        }
    }

    /// Fetches a token (Docker's "Token Authentication" and "OAuth 2").
    fn fetch_token(
        &self,
        call: &Call<'_>,
        realm: &str,
        service: &str,
        scopes: &[String],
        credential: Option<Credential>,
    ) -> Result<Token> {
        let refuse = |reason: String, status| {
            let action = format!("get a token to {}", call.action);
            call.endpoint.remote(&action, reason, status)
        };
        let url: Uri = realm
            .parse()
            .map_err(|_| refuse(format!("`{realm}` is not an address"), None))?;
        let place = url.authority().map_or("", |authority| authority.as_str());
        let plain = url.scheme_str() != Some("https");
        let asked = self.options.plain_http.iter().any(|host| host == place);
        if plain
            && credential.is_some()
            && !is_loopback(place)
            && !asked
            && !self.is_ours(call, &url)
        {
            let reason = format!("it sends passwords to `{place}` without encryption");
            return Err(refuse(reason, None));
        }
        let mut form = vec![("service", service)];
        form.extend(scopes.iter().map(|scope| ("scope", scope.as_str())));
        let agent = self.agents.for_url(&url, &self.options.proxy.except);
        let mut attempt = 0;
        let response = loop {
            attempt += 1;
            let result = match &credential {
                Some(Credential::IdentityToken(token)) => {
                    // OAuth wants all scopes in one parameter.
                    let scope = scopes.join(" ");
                    let form = [
                        ("grant_type", "refresh_token"),
                        ("service", service),
                        ("client_id", "jettison"),
                        ("scope", scope.as_str()),
                        ("refresh_token", token.as_str()),
                    ];
                    let request = Request::builder()
                        .method(Method::POST)
                        .uri(&url)
                        .header("content-type", "application/x-www-form-urlencoded");
                    send_bytes(agent, request, encode(&form).as_bytes())
                }
                other => {
                    let separator = if realm.contains('?') { '&' } else { '?' };
                    let mut request = agent.get(format!("{realm}{separator}{}", encode(&form)));
                    if let Some(Credential::Password { username, password }) = other {
                        request = request.header("authorization", basic(username, password));
                    }
                    request.call()
                }
            };
            let (error, asked) = match result {
                Ok(response) if is_passing(response.status().as_u16()) => {
                    let asked = http::retry_after(response.headers());
                    let status = response.status().as_u16();
                    (refuse(message(response).0, Some(status)), asked)
                }
                Ok(response) => break response,
                Err(error) => (
                    refuse(format!("{place}: {}", http::cause(&error)), None),
                    None,
                ),
            };
            let pause = self.backoff().pause(attempt, asked);
            match pause.filter(|_| attempt <= self.options.retries) {
                Some(pause) => std::thread::sleep(pause),
                None => return Err(error),
            }
        };
        let status = response.status();
        if matches!(
            status,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST
        ) {
            return Err(Error::Denied {
                service: call.endpoint.host.clone(),
                subject: format!("{}/{}", call.endpoint.host, call.name.repository),
                reason: message(response).0,
            });
        }
        if !status.is_success() {
            return Err(refuse(message(response).0, Some(status.as_u16())));
        }
        let bytes = http::read_body(response, MAX_TOKEN)
            .map_err(|error| refuse(format!("{place}: {error}"), None))?;
        parse_token(&bytes).ok_or_else(|| refuse(format!("{place} gives none"), None))
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<f64>,
}

fn parse_token(bytes: &[u8]) -> Option<Token> {
    let answer: TokenAnswer = serde_json::from_slice(bytes).ok()?;
    let value = answer.token.or(answer.access_token)?;
    let usable = !value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic());
    // Renewed a little early: an upload that fails at its end is an expensive way
    // to learn that a token is too old. Registries that do not say mean a minute.
    let seconds = answer.expires_in.filter(|s| s.is_finite()).unwrap_or(60.0);
    let lifetime = Duration::from_secs_f64(seconds.clamp(0.0, 86_400.0)).mul_f64(0.8);
    let expires = Instant::now().checked_add(lifetime);
    usable.then_some(Token { value, expires })
}

/// Unites what is needed with what a registry says is needed.
fn merge_scopes(ours: &str, theirs: &str) -> Vec<String> {
    let mut scopes: Vec<String> = ours.split(' ').map(str::to_owned).collect();
    for scope in theirs.split(' ').filter(|scope| !scope.is_empty()) {
        let (resource, actions) = scope.rsplit_once(':').unwrap_or((scope, ""));
        let covered = scopes.iter().any(|own| {
            let (other, allowed) = own.rsplit_once(':').unwrap_or((own, ""));
            let allowed: Vec<&str> = allowed.split(',').collect();
            other == resource && actions.split(',').all(|action| allowed.contains(&action))
        });
        if !covered {
            scopes.push(scope.to_owned());
        }
    }
    scopes
}

/// Encodes a form (`application/x-www-form-urlencoded`).
fn encode(form: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in form {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        for byte in value.bytes() {
            match byte {
                b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'.' | b'_' | b'~' => {
                    text.push(byte as char);
                }
                byte => text.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_united() {
        let ours = "repository:a:pull,push";
        assert_eq!(merge_scopes(ours, "repository:a:pull"), [ours]);
        assert_eq!(
            merge_scopes(ours, "repository:a:delete registry:catalog:*"),
            [ours, "repository:a:delete", "registry:catalog:*"]
        );
    }
}
