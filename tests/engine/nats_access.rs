//! Whom NATS takes, and which NATS a hub takes.

use std::fs;

use rcgen::generate_simple_self_signed;
use signal_hub::nats::{Credentials, NatsError, Settings, connect};

use super::history::name;
use super::nats::run;
use super::nats_run::settings;
use super::servers::{NEW, Servers, program};

#[test]
fn nats_takes_a_hub_by_its_certificate_and_credentials_alone() {
    let Some(program) = program(NEW) else { return };
    let folder = std::env::temp_dir().join(format!("signal-hub-tls-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let certificate = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    fs::write(&cert, certificate.cert.pem()).unwrap();
    fs::write(&key, certificate.signing_key.serialize_pem()).unwrap();
    let secret = folder.join("secret");
    fs::write(&secret, "hub:secret\n").unwrap();
    let config = format!(
        "tls {{ cert_file: {cert:?}, key_file: {key:?} }}\nauthorization {{ user: hub, password: secret }}\n"
    );
    run(async {
        let servers = Servers::start_with(program, 1, &config);
        let plain = settings(&servers, &name("n0"));
        let servers = vec![plain.servers[0].replace("nats://127.0.0.1", "tls://localhost")];
        let trusting = Settings { servers, root_certificates: Some(cert), ..plain };
        let known = |credentials| Settings { credentials: Some(credentials), ..trusting.clone() };
        for credentials in [Credentials::File(secret), Credentials::Text("hub:secret".to_owned())] {
            let refused = connect(known(credentials)).await.err();
            assert!(refused.is_none(), "{refused:?}");
        }
        for stranger in [trusting.clone(), known(Credentials::Text("hub:guess".to_owned()))] {
            let refused = connect(stranger).await.err();
            assert!(matches!(refused, Some(NatsError::Unreachable(_))), "{refused:?}");
        }
    });
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn nats_of_other_settings_is_refused_with_what_to_do() {
    let Some(program) = program(NEW) else { return };
    run(async {
        let servers = Servers::start(program, 1);
        let fine = settings(&servers, &name("n0"));
        let refused = connect(fine.clone()).await.err();
        assert!(refused.is_none(), "{refused:?}");
        let large = Settings { payload_bytes_min: 2 << 20, ..fine.clone() };
        let lost = Settings { servers: vec!["http://127.0.0.1".to_owned()], ..fine.clone() };
        let secret = Settings { servers: vec!["nats://a:b@127.0.0.1".to_owned()], ..fine.clone() };
        let three = Settings { replicas: 3, ..fine };
        for (settings, says) in [
            (large, "raise `max_payload`"),
            (lost, "write nats://host:port"),
            (secret, "into a file of credentials"),
            (three, "is alone and each row is to lie on 3"),
        ] {
            let refused = connect(settings).await.err().unwrap().to_string();
            assert!(refused.contains(says), "{refused}");
        }
    });
}
