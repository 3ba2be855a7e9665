//! `npm run sim`: runs seeds and says how to replay the first that fails.

use std::process::ExitCode;

const USAGE: &str = "usage: npm run sim -- [--seed N] [--runs N] [--hostile] [--trace]\n  --seed N   the first seed (default 1)\n  \
                     --runs N   how many seeds in a row (default 200; 1 when a seed is given)\n  \
                     --hostile  run each seed with and without a hostile peer, and compare\n  \
                     --trace    print every step";

fn main() -> ExitCode {
    let Arguments {
        first,
        runs,
        compares,
        traced,
    } = match arguments(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(told) => {
            eprintln!("{told}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let mut total = kuratchi_sim::Report::default();
    for seed in first..first.saturating_add(runs) {
        let ran = if compares {
            kuratchi_sim::compare(seed, traced).map(|compared| compared.with)
        } else {
            kuratchi_sim::run(seed, traced)
        };
        match ran {
            Ok(report) => {
                if runs == 1 {
                    println!("seed {seed}: {report}");
                }
                total.add(&report);
            }
            Err(told) => {
                eprintln!(
                    "seed {seed}: {told}\nreplay it with: npm run sim -- --seed {seed}{}",
                    if compares { " --hostile" } else { "" }
                );
                return ExitCode::FAILURE;
            }
        }
    }
    println!("{runs} seeds from {first}: {total}; lost 0, doubled 0, out of order 0");
    ExitCode::SUCCESS
}

struct Arguments {
    first: u64,
    runs: u64,
    /// Whether each seed is run with and without a hostile peer.
    compares: bool,
    traced: bool,
}

fn arguments(mut given: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let (mut first, mut runs, mut compares, mut traced) = (None, None, false, false);
    while let Some(name) = given.next() {
        let switch = match name.as_str() {
            "--trace" => Some(&mut traced),
            "--hostile" => Some(&mut compares),
            _ => None,
        };
        if let Some(switch) = switch {
            *switch = true;
            continue;
        }
        let value = given.next().and_then(|value| value.parse().ok());
        let value: u64 = value.ok_or_else(|| format!("{name} wants a whole number"))?;
        match name.as_str() {
            "--seed" => first = Some(value),
            "--runs" => runs = Some(value),
            _ => return Err(format!("there is no {name}")),
        }
    }
    let runs = runs.unwrap_or(if first.is_some() { 1 } else { 200 });
    Ok(Arguments {
        first: first.unwrap_or(1),
        runs,
        compares,
        traced,
    })
}
