//! What aiming is good for: how many storms and how much computing it takes until a mutant is found, blind and
//! guided, again and again from other seeds.

use std::fmt::Write;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::trials::Bench;

/// How often each way is tried, each time from another seed on.
const REPETITIONS: u64 = 20;
/// Storms after which a repetition gives up.
const STORMS_MAX: u64 = 100;
/// The first seed of the first repetition, and how far the next one is: no trial of the matrix plays them.
const SEEDS: (u64, u64) = (1_000_000, 1_000);
/// Whoever is found sooner needs no aim.
const SOON: u64 = 5;

/// A way to choose what is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// The storms of seeds.
    Blind,
    /// Guided, and all is learned by the way.
    Empty,
    /// Guided, and it begins with the kept corpus.
    Kept,
}

impl Aim {
    /// All of them.
    pub const ALL: [Aim; 3] = [Aim::Blind, Aim::Empty, Aim::Kept];

    fn flags(self, source: &Path) -> Vec<String> {
        let corpus = || format!("--corpus={}", source.join(dst::failures::CORPUS).display());
        match self {
            Aim::Blind => Vec::new(),
            Aim::Empty => vec!["--guided".to_owned()],
            Aim::Kept => vec!["--guided".to_owned(), corpus()],
        }
    }
}

/// One way, tried again and again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tries {
    /// Storms until the first that failed, in ascending order; none of those that found nothing.
    storms: Vec<Option<u64>>,
    /// Computing time of each, in ascending order.
    cpu: Vec<Duration>,
}

impl Tries {
    fn of(mut tries: Vec<(Option<u64>, Duration)>) -> Self {
        tries.sort_by_key(|(storms, _)| storms.unwrap_or(u64::MAX));
        let storms = tries.iter().map(|(storms, _)| *storms).collect();
        let mut cpu: Vec<Duration> = tries.into_iter().map(|(_, cpu)| cpu).collect();
        cpu.sort_unstable();
        Self { storms, cpu }
    }

    /// In the median and in nine of ten.
    pub fn told(&self) -> String {
        let storms = |part| match at(&self.storms, part).flatten() {
            Some(storms) => storms.to_string(),
            None => format!("> {STORMS_MAX}"),
        };
        let cpu = |part| at(&self.cpu, part).unwrap_or_default().as_secs_f64();
        let [half, most] = [(1, 2), (9, 10)];
        format!("{}, {} | {:.1}, {:.1}", storms(half), storms(most), cpu(half), cpu(most))
    }

    fn median(&self) -> u64 {
        at(&self.storms, (1, 2)).flatten().unwrap_or(STORMS_MAX)
    }

    /// Returns whether it needs no aim: in the median, it finds the mutant at once.
    pub fn is_soon(&self) -> bool {
        self.median() <= SOON
    }
}

/// The lower one where the part ends between two.
fn at<T: Copy>(values: &[T], (part, of): (usize, usize)) -> Option<T> {
    values.get((values.len() * part).div_ceil(of).checked_sub(1)?).copied()
}

/// What each way takes, mutant by mutant.
#[derive(Debug, Default)]
pub struct Gain {
    rows: Vec<(String, Vec<Tries>)>,
}

impl Gain {
    /// Adds a mutant, tried in all ways.
    pub fn add(&mut self, mutant: &str, tries: Vec<Tries>) {
        self.rows.push((mutant.to_owned(), tries));
    }

    /// A table in Markdown, and what it comes to.
    pub fn markdown(&self) -> String {
        let mut text = String::from(
            "| mutant | blind | s | guided | s | guided, kept corpus | s |\n|---|---|---|---|---|---|---|\n",
        );
        for (mutant, tries) in &self.rows {
            let told: Vec<String> = tries.iter().map(Tries::told).collect();
            let _ = writeln!(text, "| `{mutant}` | {} |", told.join(" | "));
        }
        let share = |aim: Aim| {
            let ratio = |tries: &[Tries]| {
                tries[aim as usize].median() as f64 / tries[Aim::Blind as usize].median() as f64
            };
            let mut ratios: Vec<f64> = self.rows.iter().map(|(_, tries)| ratio(tries)).collect();
            ratios.sort_by(f64::total_cmp);
            100.0 * at(&ratios, (1, 2)).unwrap_or_default()
        };
        let (empty, kept) = (share(Aim::Empty), share(Aim::Kept));
        let _ = writeln!(
            text,
            "\nOf the storms that blind campaigns take, guided ones take {empty:.0} %, and {kept:.0} % with the \
             kept corpus: the median of these mutants' medians."
        );
        text
    }
}

/// The mutants that storms on the message backend find, but not soon, as the matrix in docs/PROOF.md has it.
pub fn worth_aiming(proof: &str) -> Vec<&str> {
    let rows = proof.lines().filter_map(|line| {
        let cells: Vec<&str> = line.strip_prefix("| `")?.split(" | ").collect();
        let (name, message) = (cells.first()?.trim_end_matches('`'), cells.get(2)?);
        let storms: u64 = cells.get(cells.len().checked_sub(3)?)?.parse().ok()?;
        (storms > SOON && message.contains(" of ")).then_some(name)
    });
    rows.collect()
}

#[derive(Deserialize)]
struct Findings {
    runs: u64,
    failures: Vec<serde_json::Value>,
}

impl Bench<'_> {
    /// Tries a way again and again, on all threads.
    ///
    /// # Errors
    /// If a campaign does not end as one does.
    pub fn aim(&self, aim: Aim) -> Result<Tries> {
        let (next, tries) = (AtomicU64::new(0), Mutex::new(Vec::new()));
        let work = || -> Result<()> {
            loop {
                let repetition = next.fetch_add(1, Ordering::Relaxed);
                if repetition >= REPETITIONS {
                    return Ok(());
                }
                let tried = self.until_found(aim, SEEDS.0 + repetition * SEEDS.1)?;
                tries.lock().expect("nobody panics with it").push(tried);
            }
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.jobs).map(|_| scope.spawn(work)).collect();
            let mut ended = threads.into_iter().map(|thread| thread.join().expect("no panic"));
            ended.try_for_each(|ended| ended)
        })?;
        Ok(Tries::of(tries.into_inner().expect("nobody panics with it")))
    }

    fn until_found(&self, aim: Aim, first: u64) -> Result<(Option<u64>, Duration)> {
        let (seeds, profile) = (format!("{first}..{}", first + STORMS_MAX), self.profile());
        let mut child = Command::new(&self.programs.simulator)
            .args(["run", "--backend=message", "--format=json", "--shrink=0s", "--fail-fast"])
            .args(["--jobs=1", "--seeds", &seeds, "--profile", &profile])
            .args(aim.flags(self.source))
            // What fails is left here, and not among the project's own failures.
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot run the simulator")?;
        let mut told = String::new();
        child.stdout.take().context("its output is piped")?.read_to_string(&mut told)?;
        // It has said all, and is there until somebody waits for it.
        let cpu = cpu_of(child.id());
        let code = child.wait()?.code();
        ensure!(matches!(code, Some(0 | 2 | 3)), "{}: ended with {code:?}", self.mutant.name);
        let Findings { runs, failures } = serde_json::from_str(&told)?;
        Ok(((!failures.is_empty()).then_some(runs), cpu.unwrap_or_default()))
    }
}

/// What a process took of all cores so far, where the system tells.
fn cpu_of(process: u32) -> Option<Duration> {
    let stat =
        fs::read_to_string(Path::new("/proc").join(process.to_string()).join("stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let hundredths: u64 =
        fields.get(11..13)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    Some(Duration::from_millis(10 * hundredths))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tries(storms: &[Option<u64>]) -> Tries {
        Tries::of(storms.iter().map(|storms| (*storms, Duration::from_millis(1_500))).collect())
    }

    #[test]
    fn the_table_tells_the_median_and_nine_of_ten() {
        let mut gain = Gain::default();
        let blind: Vec<Option<u64>> = (1..=20).map(|number| Some(number * 5)).collect();
        let kept = [Some(3), Some(9), Some(2), None];
        gain.add("slow", vec![tries(&blind), tries(&[Some(50), None, None]), tries(&kept)]);
        assert_eq!(
            gain.markdown(),
            "\
| mutant | blind | s | guided | s | guided, kept corpus | s |
|---|---|---|---|---|---|---|
| `slow` | 50, 90 | 1.5, 1.5 | > 100, > 100 | 1.5, 1.5 | 3, > 100 | 1.5, 1.5 |

Of the storms that blind campaigns take, guided ones take 200 %, and 6 % with the kept corpus: the median of these \
mutants' medians.
"
        );
    }

    #[test]
    fn only_who_is_found_late_by_storms_is_worth_aiming_at() {
        let proof = "\
| `null` | nothing | lives (50) | - | - | - | - | - | - | - | - |
| `soon` | I4 | 9 of 50: **I4** | - | - | - | - | - | 5 | 5 | 1 |
| `late` | I5 | 3 of 50: **I5** | - | - | - | - | - | 9 | 9 | 1 |
| `drift` | SameOnBackends | lives (50) | - | - | - | - | 1 of 123 | 123 | 123 | 5 |
| `explained` | `goes` | yes | `x` | 3 |
";
        assert_eq!(worth_aiming(proof), ["late"]);
        assert!(tries(&[Some(1), Some(5), None]).is_soon() && !tries(&[Some(6), None]).is_soon());
    }

    #[test]
    fn a_process_tells_what_it_took() {
        assert!(cpu_of(std::process::id()).is_some() || !Path::new("/proc").exists());
    }
}
