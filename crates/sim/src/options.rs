//! What a seed draws: the run's people, network and faults ("swarm testing": each run stresses something else).

use crate::random::Random;

/// Everything that differs from run to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// People in the room, 1–6. Some share an identity.
    pub people: usize,
    /// Whether tokens name their users.
    pub named: bool,
    /// Shortest way through the network, in milliseconds.
    pub latency_ms_min: u64,
    /// Longest way through the network, in milliseconds.
    pub latency_ms_max: u64,
    /// How long the faults go on, in milliseconds.
    pub duration_ms: u64,
    /// Mean pause between two messages of a person, in milliseconds.
    pub pause_ms: u64,
    /// Messages sent in one go, at most.
    pub burst: u64,
    /// Mean time between two deaths of connections, in milliseconds; 0 for none.
    pub death_ms: u64,
    /// How long a death may stay unnoticed by either end, in milliseconds.
    pub silence_ms_max: u64,
    /// Mean time between two moments at which the object loses its memory and keeps its sockets; 0 for none.
    pub eviction_ms: u64,
    /// Mean time between two restarts of the server, which drop all sockets; 0 for none.
    pub restart_ms: u64,
    /// HTTP answers lost, in a thousand.
    pub http_loss_permille: u64,
    /// Commits that the store refuses, in a thousand.
    pub disk_failure_permille: u64,
    /// How often an app leaves and comes back, in a thousand of its actions.
    pub leave_permille: u64,
}

impl Options {
    /// Draws a run's options.
    #[must_use]
    pub fn draw(random: &mut Random) -> Self {
        let latency_ms_min = random.between(0, 40);
        let latency_ms_max = latency_ms_min + random.between(0, 400);
        let mut sometimes = |low: u64, high: u64| {
            if random.chance(600) {
                random.between(low, high)
            } else {
                0
            }
        };
        let (death_ms, eviction_ms, restart_ms) = (
            sometimes(300, 15_000),
            sometimes(200, 20_000),
            sometimes(5_000, 60_000),
        );
        Self {
            people: usize::try_from(random.between(1, 6)).unwrap_or(1),
            named: random.chance(700),
            latency_ms_min,
            latency_ms_max,
            duration_ms: random.between(5_000, 60_000),
            pause_ms: random.between(5, 2_000),
            burst: random.between(1, 30),
            death_ms,
            silence_ms_max: random.between(0, 60_000),
            eviction_ms,
            restart_ms,
            http_loss_permille: if random.chance(300) {
                random.between(0, 200)
            } else {
                0
            },
            disk_failure_permille: if random.chance(200) {
                random.between(0, 50)
            } else {
                0
            },
            leave_permille: random.between(0, 30),
        }
    }
}
