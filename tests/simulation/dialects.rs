//! Dialects that are processes: docs/DIALECTS.md says what the types say, its conversation is one, and whatever a
//! process does instead is told in a sentence.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use schemars::{JsonSchema, schema_for};
use serde_json::{Value, json};
use signal_hub_sim::against::check::check;
use signal_hub_sim::against::child::LINE_MAX;
use signal_hub_sim::against::dialect::{
    ARRIVALS_MAX, Arrival, Frame, Heard, Mute, Notice, Operation, Promise, Promises, Refusal,
    Report, Speaker, Turn, Verb,
};
use signal_hub_sim::against::lines::{Fault, Line, Mode, Ours, Theirs};
use tokio::sync::mpsc;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn page() -> String {
    std::fs::read_to_string(root().join("docs/DIALECTS.md")).expect("the page can be read")
}

/// The words of a type with what they mean, of its variants or else of its fields.
fn table<T: JsonSchema>(tag: &str) -> String {
    let schema = schema_for!(T).to_value();
    let said = |schema: &Value| -> String {
        let said = schema["description"].as_str().expect("each word is described");
        said.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let fields = |schema: &Value, between: &str| -> Vec<String> {
        let needed = schema["required"].as_array().cloned().unwrap_or_default();
        let properties = schema["properties"].as_object().into_iter().flatten();
        let field = |(name, meaning): (&String, &Value)| {
            let optional = if needed.contains(&json!(name)) { "" } else { "?" };
            format!("`{name}`{optional}{between}{}", said(meaning))
        };
        properties.filter(|(name, _)| *name != tag).map(field).collect()
    };
    let Some(variants) = schema["oneOf"].as_array() else {
        let rows = fields(&schema, " | ").into_iter().map(|row| format!("| {row} |\n"));
        return format!("| word | meaning |\n|---|---|\n{}", rows.collect::<String>());
    };
    let row = |variant: &Value| {
        let of_object = &variant["properties"][tag]["const"];
        let of_key = || variant["required"][0].as_str();
        let word = of_object.as_str().or(variant["const"].as_str()).or_else(of_key);
        let word = word.expect("each variant has a word");
        let fields =
            if of_object.is_null() { String::new() } else { fields(variant, " ").join(" ") };
        format!("| `{word}` | {} | {fields} |\n", said(variant))
    };
    let rows: String = variants.iter().map(row).collect();
    if variants.iter().all(|variant| variant["properties"][tag].is_null()) {
        return format!("| word | meaning |\n|---|---|\n{}", rows.replace(" |  |", " |"));
    }
    format!("| word | meaning | with |\n|---|---|---|\n{rows}")
}

/// `SIGNAL_HUB_UPDATE=1` writes the tables.
#[test]
fn the_page_says_what_the_types_say() {
    let mut updated = page();
    for (name, table) in [
        ("our lines", table::<Ours>("line")),
        ("their lines", table::<Theirs>("line")),
        ("modes", table::<Mode>("")),
        ("errors", table::<Fault>("")),
        ("turn", table::<Turn>("")),
        ("frames", table::<Frame>("")),
        ("verbs", table::<Verb>("do")),
        ("reports", table::<Report>("event")),
        ("refusals", table::<Refusal>("")),
        ("notices", table::<Notice>("")),
        ("promises", table::<Promises>("")),
        ("keeps", table::<Promise>("")),
    ] {
        let (begin, end) = (format!("<!-- {name} -->\n"), "<!-- end -->");
        let from = updated.find(&begin).unwrap_or_else(|| panic!("{name}")) + begin.len();
        let to = from + updated[from..].find(end).expect("each table ends");
        updated.replace_range(from..to, &table);
    }
    if std::env::var_os("SIGNAL_HUB_UPDATE").is_some() {
        std::fs::write(root().join("docs/DIALECTS.md"), updated).expect("the page can be written");
    } else {
        assert!(page() == updated, "set SIGNAL_HUB_UPDATE=1 to write docs/DIALECTS.md");
    }
}

/// The lines of the page's conversation that begin so.
fn lines(whose: &str) -> Vec<Value> {
    let page = page();
    let (_, conversation) = page.split_once("<!-- conversation -->").expect("it begins");
    let (conversation, _) = conversation.split_once("<!-- end -->").expect("it ends");
    let lines = conversation.lines().filter_map(|line| line.strip_prefix(whose));
    lines.map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

#[test]
fn the_conversation_on_the_page_is_one() {
    let (ours, theirs) = (lines("> "), lines("< "));
    assert!(ours.len() > 5);
    let mut child = Command::new("python3")
        .arg(root().join("examples/dialects/lines/dialect.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is there");
    let mut stdin = child.stdin.take().expect("it is piped");
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let answers: Vec<Value> = ours
        .iter()
        .map(|line| {
            let known: Line = serde_json::from_value(line.clone()).expect("it is one of ours");
            assert_eq!(&serde_json::to_value(&known).expect("it is written"), line);
            writeln!(stdin, "{line}").expect("it reads");
            let answer = stdout.next().expect("it answers").expect("in text");
            serde_json::from_str(&answer).expect("in JSON")
        })
        .collect();
    drop(stdin);
    assert!(child.wait().expect("it ends").success());
    assert_eq!(answers, theirs);
}

fn argv(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A process that reads lines, and does this for each, with `n` its number and `say` to answer.
fn child(for_each: &str) -> Vec<String> {
    let program = format!(
        "import json, sys, time, subprocess\n\
         def say(n, **words): print(json.dumps(dict(words, n=n)), flush=True)\n\
         def tell(**words): print(json.dumps(words), flush=True)\n\
         def hello(mode, **promises): say(0, mode=mode, promises=promises)\n\
         for line in map(json.loads, sys.stdin):\n n = line['n']\n {}\n",
        for_each.replace('\n', "\n ")
    );
    argv(&["python3", "-c", &program])
}

fn started(command: &[String]) -> Result<Speaker, Mute> {
    Speaker::start(command)
}

/// Why it cannot be started.
fn why_not(command: &[String]) -> String {
    match started(command) {
        Ok(_) => panic!("it starts"),
        Err(mute) => mute.to_string(),
    }
}

fn ping() -> Operation {
    Operation { id: "1".to_owned(), speaker: "alice".to_owned(), verb: Verb::Ping }
}

/// What comes of a ping, by a child that makes frames.
fn said(for_each: &str) -> Result<Turn, Mute> {
    let Ok(Speaker::Frames(mut dialect)) = started(&child(for_each)) else {
        panic!("it makes frames")
    };
    dialect.say(1, &ping())
}

fn broken(why: &str) -> Result<Turn, Mute> {
    Err(Mute::Broken(why.to_owned()))
}

#[test]
fn the_example_passes_every_check() {
    let example = root().join("examples/dialects/lines/dialect.py");
    let checks = check(&argv(&["python3", &example.to_string_lossy()]));
    let failed: Vec<_> = checks.iter().filter(|check| check.failed.is_some()).collect();
    assert!(failed.is_empty() && checks.len() > 20, "{failed:?}");
}

/// What fails of a child that is checked, and how that begins.
fn failures(for_each: &str) -> Vec<String> {
    let checks = check(&child(for_each)).into_iter();
    let failed = checks.filter_map(|check| Some(format!("{}: {}", check.what, check.failed?)));
    failed.map(|failed| failed.lines().next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn checks_find_what_a_dialect_does_wrong() {
    let init = "if n == 0: hello('frames', verbs=['ping'])\n";
    let no_words = "else: say(n, error='no_words', why='')";
    let does = |what: &str| failures(&format!("{init}{what}\n{no_words}"));
    let right = "elif line['line'] in ('opened', 'closed', 'hear'): say(n)\n\
                 elif line.get('operation', {}).get('do') == 'ping': say(n, frames=[{'text': 'p'}])";
    assert_eq!(does(right), [""; 0]);
    let nothing = "`ping` makes no frame, and nothing is known at once either";
    assert_eq!(
        does(&right.replace(", frames=[{'text': 'p'}]", "")),
        [format!("has words for `ping`: {nothing}"), format!("keeps connections apart: {nothing}")]
    );
    let owned = "{'event': 'owned', 'operation': '1', 'address': 'alice'}";
    assert_eq!(
        does(&format!("elif line['line'] == 'hear': say(n, heard=[{owned}])\n{right}")),
        ["makes nothing of frames that say nothing: it took Text(\"\") for `owned`"]
    );
    let twice = right.replacen("say(n)", "(say(n), say(n))", 1);
    // The connection is opened by the first check that needs one.
    let why = "it answered line 5 where line 6 was next";
    assert_eq!(does(&twice)[0], format!("has no words for `connect`, as it declares: {why}"));
    let resumes =
        "if n == 0: hello('frames', keeps=['resume'], verbs=['subscribe'])\nelse: sys.exit()";
    let found = failures(resumes);
    assert_eq!(found[0], "promises what its verbs can show: `resume` needs a `resume_window`");
    assert_eq!(found.len(), 1 + 5, "{found:?}");
}

#[test]
fn a_dialect_that_cannot_be_started_says_so() {
    let none = "the dialect: cannot start /no/such/program: No such file or directory (os error 2)";
    assert_eq!(why_not(&argv(&["/no/such/program"])), none);
    assert_eq!(why_not(&[]), "the dialect: no program is named");
}

#[test]
fn a_dialect_that_ends_says_how_and_its_last_words_are_shown() {
    assert_eq!(why_not(&argv(&["false"])), "the dialect: it ended (exit status: 1)");
    assert_eq!(
        why_not(&child("sys.exit('no \\x1b[31mkey')")),
        "the dialect: it ended (exit status: 1)\n  stderr: no \\u{1b}[31mkey"
    );
}

#[test]
fn a_dialect_that_speaks_otherwise_is_broken() {
    let why = why_not(&child("print('hello', flush=True)"));
    assert!(why.starts_with("the dialect: a line of its makes no sense, expected value"), "{why}");
    let why = why_not(&child("hello('frames', keeps=['everything'])"));
    assert!(why.contains("answer to line 0 makes no sense: unknown variant `everything`"), "{why}");
    let why = why_not(&child("say(7)"));
    assert_eq!(why, "the dialect: it answered line 7 where line 0 was next");
    let endless = format!("sys.stdout.write('x' * {})\nsys.stdout.flush()", LINE_MAX + 1);
    let why = why_not(&child(&endless));
    assert_eq!(why, format!("the dialect: a line of its has more than {LINE_MAX} bytes"));
}

#[test]
fn a_dialect_that_is_silent_is_given_up() {
    let Err(Mute::Broken(why)) = said("hello('frames') if n == 0 else time.sleep(1000)") else {
        panic!("it is broken")
    };
    let line =
        r#"{"connection":1,"line":"say","n":1,"operation":{"as":"alice","do":"ping","id":"1"}}"#;
    assert_eq!(why, format!("it did not answer within 5 s: {line}"));
}

#[test]
fn an_answer_is_a_turn_or_an_error() {
    let turn = Turn {
        frames: vec![Frame::Binary(vec![0, 1])],
        heard: vec![Report::Connected { operation: "1".to_owned() }.into()],
    };
    let known = "hello('frames') if n == 0 else ";
    let heard = "[{'event': 'connected', 'operation': '1'}]";
    let frames = "[{'binary': 'AAE='}]";
    assert_eq!(said(&format!("{known}say(n, frames={frames}, heard={heard})")), Ok(turn));
    assert_eq!(
        said(&format!("{known}say(n, error='no_words', why='no ping')")),
        Err(Mute::NoWords("no ping".to_owned()))
    );
    assert_eq!(
        said(&format!("{known}say(n, error='broken', why='no key')")),
        broken("it gave up at line 1: no key")
    );
    assert_eq!(
        said(&format!("{known}say(n, frame=1)")),
        broken(
            "its answer to line 1 makes no sense: unknown field `frame`, expected `frames` or `heard`"
        )
    );
}

#[test]
fn an_answer_too_many_is_found_at_the_next_line() {
    let twice = "hello('frames') if n == 0 else (say(n), say(n))";
    let Ok(Speaker::Frames(mut dialect)) = started(&child(twice)) else { panic!("it starts") };
    assert_eq!(dialect.say(1, &ping()), Ok(Turn::default()));
    let why = "it answered line 1 where line 2 was next";
    assert_eq!(dialect.say(1, &ping()), broken(why));
    assert_eq!(dialect.say(1, &ping()), broken(why), "it stays broken");
}

#[test]
fn a_dialect_that_answers_without_end_is_broken() {
    let endless = "if n == 0: hello('frames')\nwhile n == 1: say(n)";
    let Ok(Speaker::Frames(mut dialect)) = started(&child(endless)) else { panic!("it starts") };
    assert_eq!(dialect.say(1, &ping()), Ok(Turn::default()));
    let Err(Mute::Broken(why)) = dialect.say(1, &ping()) else { panic!("it is broken") };
    let found =
        ["it answered line 1 where line 2 was next", "it answers what nobody asked: line 1"];
    assert!(found.iter().any(|found| why.starts_with(found)), "{why}");
}

/// What a library told of connection 1.
fn told(for_each: &str) -> (Result<(), Mute>, Vec<Arrival>) {
    let Ok(Speaker::Client(mut library)) = started(&child(for_each)) else {
        panic!("it brings a library")
    };
    let (arrivals, mut receiver) = mpsc::channel(ARRIVALS_MAX);
    let opened = library.open(1, 9, "alice", arrivals);
    let mut told = Vec::new();
    // It ends with the connection, or with the process.
    while let Some(arrival) = receiver.blocking_recv() {
        told.push(arrival);
    }
    (opened.and_then(|()| library.say(1, &ping())), told)
}

#[test]
fn a_library_tells_what_comes_of_a_connection() {
    let report = "{'event': 'told', 'what': 'superseded', 'address': 'alice'}";
    let result = told(&format!(
        "if n == 0: hello('client')\n\
         elif n == 1:\n say(n)\n tell(line='opened', connection=1)\n \
         tell(line='heard', connection=1, heard={report})\n \
         tell(line='lost', connection=1, code=142, why='taken over')\n \
         tell(line='opened', connection=1)\n\
         else: say(n, error='no_words', why='it is gone')"
    ));
    let superseded = Report::Told { what: Notice::Superseded, address: Some("alice".to_owned()) };
    let told = vec![
        Arrival::Opened,
        Arrival::Heard(Heard::from(superseded)),
        Arrival::Lost { code: Some(142), why: "taken over".to_owned() },
    ];
    assert_eq!(result, (Err(Mute::NoWords("it is gone".to_owned())), told));
}

#[test]
fn a_library_that_ends_takes_its_connections_with_it() {
    let (said, told) = told("hello('client') if n == 0 else (say(n), sys.exit(3))");
    assert_eq!(said, Err(Mute::Broken("it ended (exit status: 3)".to_owned())));
    assert_eq!(told, []);
}

#[test]
fn a_library_that_tells_without_end_is_broken() {
    let endless = "if n == 0: hello('client')\n\
                 else:\n say(n)\n while True: tell(line='opened', connection=1)";
    let Ok(Speaker::Client(mut library)) = started(&child(endless)) else { panic!("it starts") };
    let (arrivals, mut receiver) = mpsc::channel(ARRIVALS_MAX);
    assert_eq!(library.open(1, 9, "alice", arrivals), Ok(()));
    let mut said = library.say(1, &ping());
    while said == Ok(()) {
        said = library.say(1, &ping());
    }
    let Err(Mute::Broken(why)) = said else { panic!("it is broken: {said:?}") };
    let found = format!("it told {ARRIVALS_MAX} things that nobody had the time to read");
    assert!(why.starts_with(&found), "{why}");
    assert_eq!(std::iter::from_fn(|| receiver.blocking_recv()).count(), ARRIVALS_MAX);
}

#[test]
fn whatever_a_dialect_started_ends_with_it() {
    let starts = "if n == 0: hello('frames')\n\
                  else:\n sleeper = subprocess.Popen(['sleep', '1000'])\n \
                  say(n, error='no_words', why=str(sleeper.pid))";
    let Ok(Speaker::Frames(mut dialect)) = started(&child(starts)) else { panic!("it starts") };
    let Err(Mute::NoWords(sleeper)) = dialect.say(1, &ping()) else { panic!("it says the number") };
    let lives = || {
        let stat = std::fs::read_to_string(format!("/proc/{sleeper}/stat")).unwrap_or_default();
        !(stat.is_empty() || stat.contains(") Z ") || stat.contains(") X "))
    };
    assert!(lives());
    drop(dialect);
    // The kernel takes its time.
    while lives() {
        std::thread::sleep(Duration::from_millis(10));
    }
}
