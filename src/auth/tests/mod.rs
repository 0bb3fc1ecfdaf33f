//! Tokens of every kind against every kind of key.

mod pems;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use ring::hmac::{self, HMAC_SHA256, HMAC_SHA384, HMAC_SHA512};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use serde_json::{Value, json};

use super::*;
use crate::protocol::{ActorAddress, AuthToken};
use crate::time::Timestamp;

const SECRET: &[u8] = b"thirty-two bytes, and a few more";
/// In seconds.
const NOW: u64 = 1_000_000;

fn secret() -> Keys {
    Keys::from_secret(SECRET).unwrap()
}

/// The claims of a good token, with those of `changes` in their place.
fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "iss": "signal-hub", "sub": "user-1", "actorId": "alice", "iat": NOW - 5, "exp": NOW + 60,
    });
    for (claim, value) in changes.as_object().unwrap() {
        claims[claim] = value.clone();
    }
    claims
}

fn hs256(claims: &Value) -> String {
    sign(claims, SECRET).unwrap()
}

/// A token with this header and these claims, signed by whatever the issuer has.
fn signed<S: AsRef<[u8]>>(header: Value, claims: &Value, signer: impl Fn(&[u8]) -> S) -> String {
    let [header, claims] = [&header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let signature = signer(format!("{header}.{claims}").as_bytes());
    format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn by_rsa(algorithm: &str, encoding: &'static dyn RsaEncoding, claims: &Value) -> String {
    let key = RsaKeyPair::from_pkcs8(&der(pems::RSA_PRIVATE)).unwrap();
    signed(json!({ "alg": algorithm }), claims, |message| {
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(encoding, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    })
}

fn by_ed25519(claims: &Value) -> String {
    let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der(pems::ED25519_PRIVATE)).unwrap();
    signed(json!({ "alg": "EdDSA" }), claims, |message| key.sign(message))
}

fn der(pem: &str) -> Vec<u8> {
    STANDARD.decode(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap()
}

fn verdict(token: &str, keys: &Keys) -> Result<Grant, TokenError> {
    authenticate(&AuthToken::new(token), keys, Timestamp::from_millis(NOW * 1_000))
}

fn of_claims(changes: Value) -> Result<Grant, TokenError> {
    verdict(&hs256(&claims(changes)), &secret())
}

fn address(path: &str) -> ActorAddress {
    ActorAddress::from_path(path).unwrap()
}

#[test]
fn each_kind_of_key_verifies_its_own_algorithm() {
    let claims = claims(json!({}));
    let by_rsa = by_rsa("RS256", &RSA_PKCS1_SHA256, &claims);
    let by_ed = by_ed25519(&claims);
    let rsa_keys = Keys::from_public_pem(pems::RSA_PUBLIC).unwrap();
    let ed_keys = Keys::from_public_pem(pems::ED25519_PUBLIC).unwrap();
    let grant = Grant {
        principal: Principal { subject: "user-1".into(), actor: address("alice") },
        actors: Vec::new(),
        expires_at: Timestamp::from_millis((NOW + 60) * 1_000),
    };
    let all = [(hs256(&claims), secret()), (by_rsa, rsa_keys), (by_ed, ed_keys)];
    for (row, (token, _)) in all.iter().enumerate() {
        for (column, (_, keys)) in all.iter().enumerate() {
            let expected =
                if row == column { Ok(grant.clone()) } else { Err(TokenError::Algorithm) };
            assert_eq!(verdict(token, keys), expected, "token {row}, key {column}");
        }
    }
}

#[test]
fn a_public_key_is_never_taken_for_a_shared_secret() {
    for pem in [pems::RSA_PUBLIC, pems::ED25519_PUBLIC] {
        let keys = Keys::from_public_pem(pem).unwrap();
        let token = sign(&claims(json!({})), pem.as_bytes()).unwrap();
        assert_eq!(verdict(&token, &keys), Err(TokenError::Algorithm));
    }
}

#[test]
fn other_algorithms_of_the_same_key_are_refused() {
    let claims = claims(json!({}));
    for (name, algorithm) in [("HS384", HMAC_SHA384), ("HS512", HMAC_SHA512)] {
        let key = hmac::Key::new(algorithm, SECRET);
        let token = signed(json!({ "alg": name }), &claims, |message| hmac::sign(&key, message));
        assert_eq!(verdict(&token, &secret()), Err(TokenError::Algorithm), "{name}");
    }
    let keys = Keys::from_public_pem(pems::RSA_PUBLIC).unwrap();
    let token = by_rsa("PS256", &RSA_PSS_SHA256, &claims);
    assert_eq!(verdict(&token, &keys), Err(TokenError::Algorithm));
    let renamed = by_rsa("RS256", &RSA_PSS_SHA256, &claims);
    assert_eq!(verdict(&renamed, &keys), Err(TokenError::Signature));
}

#[test]
fn a_token_without_a_signature_grants_nothing() {
    let good = hs256(&claims(json!({})));
    let [_, payload, _] = *good.split('.').collect::<Vec<_>>() else { panic!("three parts") };
    for alg in ["none", "None", "NONE"] {
        let header = URL_SAFE_NO_PAD.encode(json!({ "alg": alg, "typ": "JWT" }).to_string());
        for token in [format!("{header}.{payload}."), format!("{header}.{payload}")] {
            assert_eq!(verdict(&token, &secret()), Err(TokenError::Malformed), "{alg}");
        }
    }
    let unsigned = &good[..=good.rfind('.').unwrap()];
    assert_eq!(verdict(unsigned, &secret()), Err(TokenError::Signature));
}

#[test]
fn a_wrong_signature_grants_nothing() {
    let token = sign(&claims(json!({})), b"another secret of thirty-two bytes").unwrap();
    assert_eq!(verdict(&token, &secret()), Err(TokenError::Signature));
    let good = hs256(&claims(json!({})));
    let richer = hs256(&claims(json!({ "actorId": "admin" })));
    let [header, _, signature] = *good.split('.').collect::<Vec<_>>() else {
        panic!("three parts")
    };
    let payload = richer.split('.').nth(1).unwrap();
    let mixed = format!("{header}.{payload}.{signature}");
    assert_eq!(verdict(&mixed, &secret()), Err(TokenError::Signature));
}

#[test]
fn a_header_that_must_be_understood_is_not() {
    let header = json!({ "alg": "HS256", "crit": ["b64"] });
    let key = hmac::Key::new(HMAC_SHA256, SECRET);
    let token = signed(header, &claims(json!({})), |message| hmac::sign(&key, message));
    assert_eq!(verdict(&token, &secret()), Err(TokenError::Malformed));
}

#[test]
fn each_claim_is_required_and_checked() {
    for (claim, bad) in [
        ("iss", vec![Value::Null, json!("someone"), json!(["signal-hub"])]),
        ("sub", vec![Value::Null, json!(""), json!(7)]),
        ("actorId", vec![Value::Null, json!(""), json!("@(alice)"), json!("a b"), json!(7)]),
        ("iat", vec![Value::Null, json!("now"), json!(-1)]),
        ("exp", vec![Value::Null, json!("later"), json!(-1), json!({})]),
        ("nbf", vec![json!("now"), json!(-1)]),
        ("actors", vec![json!("team/*"), json!([7]), json!({})]),
        ("aud", vec![json!("another-service"), json!([]), json!(["another-service"]), json!(7)]),
    ] {
        for value in bad {
            let shown = format!("{claim}: {value}");
            assert_eq!(
                of_claims(json!({ claim: value })),
                Err(TokenError::Claim(claim)),
                "{shown}"
            );
        }
    }
    for fine in [
        json!({ "aud": "signal-hub" }),
        json!({ "aud": ["another", "signal-hub"] }),
        json!({ "more": 1 }),
        json!({ "actors": [] }),
    ] {
        assert!(of_claims(fine.clone()).is_ok(), "{fine}");
    }
}

#[test]
fn a_token_counts_from_its_first_moment_until_before_its_last() {
    assert_eq!(of_claims(json!({ "exp": NOW })), Err(TokenError::Expired));
    assert_eq!(of_claims(json!({ "exp": 0 })), Err(TokenError::Expired));
    assert_eq!(of_claims(json!({ "nbf": NOW + 1 })), Err(TokenError::NotYetValid));
    assert!(of_claims(json!({ "nbf": NOW })).is_ok());
    let expires_at = |exp: Value| of_claims(json!({ "exp": exp })).map(|grant| grant.expires_at);
    let almost = Timestamp::from_millis(NOW * 1_000 + 500);
    assert_eq!(expires_at(json!(NOW as f64 + 0.5)), Ok(almost));
    assert_eq!(expires_at(json!(1e300)), Ok(Timestamp::from_millis(u64::MAX)));
}

#[test]
fn a_grant_is_for_the_tokens_own_address_and_its_patterns() {
    let grant = of_claims(json!({ "actors": ["team/*", "bob"] })).unwrap();
    for path in ["alice", "bob", "team/a", "team/a/b"] {
        assert!(grant.allows(&address(path)), "{path}");
    }
    for path in ["alice/two", "team", "bobby", "steam/a"] {
        assert!(!grant.allows(&address(path)), "{path}");
    }
}

#[test]
fn only_public_keys_of_the_right_kind_and_size_are_taken() {
    let failure = |pem: &str| Keys::from_public_pem(pem).map(drop);
    for pem in ["", "no key", pems::RSA_PRIVATE, pems::ED25519_PRIVATE, pems::EC_PUBLIC] {
        assert_eq!(failure(pem), Err(KeyError::NotAPublicKey), "{pem}");
    }
    assert_eq!(failure(pems::RSA_SHORT_PUBLIC), Err(KeyError::RsaSize));
    assert_eq!(Keys::from_secret(&SECRET[..31]).map(drop), Err(KeyError::ShortSecret));
}

#[test]
fn a_key_is_never_printed() {
    assert_eq!(format!("{:?}", Access::Tokens(secret())), "Tokens(Keys(HS256, ..))");
}

proptest! {
    #[test]
    fn no_text_panics_or_grants_anything(text in ".*", parts in any::<[Vec<u8>; 3]>()) {
        let parts = parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        for token in [text, parts] {
            prop_assert!(verdict(&token, &secret()).is_err());
        }
    }

    #[test]
    fn no_change_to_a_token_panics_or_is_overlooked(at in 0_usize..400, byte in 0x20_u8..0x7f) {
        let good = hs256(&claims(json!({})));
        let mut bytes = good.clone().into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        let changed = String::from_utf8(bytes).unwrap();
        prop_assert!(changed.trim() == good || verdict(&changed, &secret()).is_err());
    }

    #[test]
    fn no_part_of_a_public_key_is_one_and_no_change_panics(at in 0_usize..294, byte: u8) {
        let mut key = der(pems::RSA_PUBLIC);
        let pem = |der: &[u8]| {
            let base64 = STANDARD.encode(der);
            format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----\n")
        };
        let part = Keys::from_public_pem(&pem(&key[..at])).map(drop);
        prop_assert_eq!(part, Err(KeyError::NotAPublicKey));
        key[at] = byte;
        let _ = Keys::from_public_pem(&pem(&key));
    }

    #[test]
    fn no_claims_panic(claim in "iss|sub|actorId|iat|exp|nbf|actors|aud", value in any_json()) {
        let _ = of_claims(json!({ claim: value }));
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
        proptest::collection::vec(".*", 0..3).prop_map(Value::from),
    ]
}
