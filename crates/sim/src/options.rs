//! What a seed draws: the run's people, network and faults ("swarm testing": each run stresses something else).

use protocol::limits::OUTBOX_MESSAGES_MAX;

use crate::random::Random;

/// Bytes of all messages of a run, at most, so that none takes for ever.
const BYTES_MAX: u64 = 30_000_000;
const PATIENCE: usize = 300;
/// How long people mostly listen in a run that is for that, in milliseconds: several times as long as a connection may be
/// silent.
const QUIET_MS: u64 = 300_000;
/// Mean time between two messages in such a run, whoever writes them, in milliseconds.
const QUIET_PAUSE_MS: u64 = 20_000;

/// Everything that differs from run to run. A mean time of 0 means "never".
#[derive(Clone, Debug)]
pub struct Options {
    /// Tabs in the room, 1–6. Some share a user.
    pub people: usize,
    /// Whether tokens name their users.
    pub named: bool,
    /// Whether two people take turns at each app: one signs out, the other one in, and the client stays.
    pub takes_turns: bool,
    /// Shortest way through the network, in milliseconds.
    pub latency_ms_min: u64,
    /// Longest way through the network, in milliseconds.
    pub latency_ms_max: u64,
    /// How long the faults go on, in milliseconds.
    pub duration_ms: u64,
    /// Mean pause between two actions of a person, in milliseconds.
    pub pause_ms: u64,
    /// Messages sent in one go, at most.
    pub burst: u64,
    /// Bytes that messages are padded with: at least, and at most.
    pub padding: (u64, u64),
    /// Bytes of all messages of a run together, at most.
    pub bytes_max: u64,
    /// People who see this many of their messages waiting mostly wait, too; a few go on until the outbox is full.
    pub patience: usize,
    /// Times in a thousand that an app which is about to connect sends first, by HTTP.
    pub http_permille: u64,
    /// Messages sent in one go by HTTP, at most.
    pub http_burst: u64,
    /// Bytes that each person's connections pass in a millisecond, each way; 0 for as many as there are.
    pub bytes_per_ms: Vec<u64>,
    /// Bytes of a frame to the room that each person's path takes: connections die of longer ones. 0 for as many as
    /// there are. It stays so when all else heals.
    pub frame_bytes_max: Vec<usize>,
    /// Actions that edit or delete, in a thousand.
    pub change_permille: u64,
    /// Edits that are the first of many of one message, in a thousand.
    pub stream_permille: u64,
    /// How often an app loads its history anew, in a thousand of its actions.
    pub reload_permille: u64,
    /// How often an app leaves and comes back, in a thousand of its actions.
    pub leave_permille: u64,
    /// How often an app that has left stays away, in a thousand of its actions.
    pub stay_permille: u64,
    /// Mean time between two faults of each kind, in milliseconds.
    pub faults: Vec<(Fault, u64)>,
    /// How long a death may stay unnoticed by either end, in milliseconds.
    pub silence_ms_max: u64,
    /// How long a tab sleeps, a link stalls or a network is away, at most, in milliseconds.
    pub pause_ms_max: u64,
    /// How long a tab sleeps at least, in milliseconds.
    pub frozen_ms_min: u64,
    /// HTTP answers lost, in a thousand.
    pub http_loss_permille: u64,
    /// Commits that the store refuses, in a thousand.
    pub disk_failure_permille: u64,
    /// Inputs after whose commit the object loses its memory before a frame leaves, in a thousand.
    pub swallow_permille: u64,
    /// How long a write to a tab's own disk takes, at most, in milliseconds.
    pub tab_disk_ms_max: u64,
    /// Whether browsers say nothing of a network that goes or comes.
    pub hints_are_silent: bool,
    /// Whether apps have a service worker that answers with what it has.
    pub has_cache: bool,
    /// Whether tabs have no disk at all.
    pub no_tab_disk: bool,
    /// Acts of somebody who types, in a thousand.
    pub type_permille: u64,
    /// Questions for a token that nobody answers, in a thousand.
    pub token_silence_permille: u64,
    /// Questions for a token that are answered by the one before, or by a login page, in a thousand.
    pub token_stale_permille: u64,
    /// Questions for a token that the source fails to answer, in a thousand.
    pub token_failure_permille: u64,
    /// How long a source takes to answer, at most, in milliseconds.
    pub token_ms_max: u64,
    /// Whether each app gives its token as a text, and another text now and then, instead of a function.
    pub texts: Vec<bool>,
    /// How long tokens are good, in milliseconds; 0 for ever.
    pub token_ms: u64,
    /// Whether the room closes connections whose token's time is over.
    pub strict_expiry: bool,
    /// Whether apps say who uses their clients.
    pub says_user: bool,
    /// Whether sources of tokens are out of reach while a machine has no network.
    pub sources_are_far: bool,
    /// Whether there is a hostile peer.
    pub has_hostile: bool,
    /// Whether it waits until every app has loaded its history.
    pub hostile_waits: bool,
    /// Whether each person's tab is hidden until all heals: its timers run once a minute.
    pub hidden: Vec<bool>,
    /// Whether pings reach the room, as on a local runtime; otherwise the runtime answers them.
    pub pings_in_code: bool,
}

/// Something that goes wrong now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A connection dies.
    Death,
    /// A connection goes on, and what is sent on it vanishes: one way or both.
    BlackHole,
    /// Nothing passes on a connection for a while, and then everything.
    Stall,
    /// The object loses its memory and keeps its sockets.
    Eviction,
    /// The server is restarted, which drops all sockets.
    Restart,
    /// The log begins a new life, as after a restore.
    NewEpoch,
    /// A tab crashes, or is reloaded: its memory is gone, its disk is not.
    Crash,
    /// A tab is closed, and another one of the same user takes over what it left.
    Close,
    /// A tab is frozen; it may have given its outbox up before.
    Freeze,
    /// A machine has no network for a while, and its browser says so.
    Offline,
    /// A machine's network lets no WebSocket through for a while, and HTTP it does.
    Blocked,
    /// A browser says something of its network or its page, whatever the truth.
    Hint,
    /// Everybody's connection dies at once, and again within seconds, several times.
    Storm,
    /// Somebody else signs in at an app.
    SignIn,
    /// An app gives another source of tokens: a text in place of a function, another text, or a function again.
    Source,
    /// The view of a page that shows the room goes, and another one comes: a new client has what the one before left.
    View,
}

impl Options {
    /// Draws a run's options.
    #[must_use]
    pub fn draw(random: &mut Random) -> Self {
        let mut options = Self::draw_usual(random);
        if random.chance(150) {
            options.add_floods(random);
        }
        options.has_hostile = random.chance(200);
        if random.chance(150) {
            options.add_gateways(random);
        }
        if random.chance(150) {
            options.add_turns(random);
        }
        if random.chance(125) {
            options.become_quiet(random);
        }
        if random.chance(250) {
            options.add_sources(random);
        }
        if random.chance(200) {
            options.add_views(random);
        }
        options
    }

    /// Draws the options of a run that is compared with one that differs by the hostile peer alone.
    ///
    /// Everything that the apps send is stored in the end, whatever happens when: connections die and machines lose their
    /// network, but no tab and no epoch ends, and no outbox is full. What the apps do must not depend on what they see, so
    /// they edit nothing, and do not wait for acks; and they load their history once, because a page of the newest messages
    /// holds fewer of theirs where another one writes, too.
    #[must_use]
    pub fn for_comparison(random: &mut Random) -> Self {
        let mut options = Self::draw_usual(random);
        let is_harmless = |fault: Fault| match fault {
            Fault::Death | Fault::Offline | Fault::Blocked | Fault::Hint | Fault::Storm => true,
            Fault::BlackHole
            | Fault::Stall
            | Fault::Eviction
            | Fault::Restart
            | Fault::NewEpoch
            | Fault::Crash
            | Fault::Close
            | Fault::Freeze
            | Fault::SignIn
            | Fault::Source
            | Fault::View => false,
        };
        options.faults.retain(|(fault, _)| is_harmless(*fault));
        options.people = options.people.max(2);
        options.reload_permille = 0;
        (options.bytes_per_ms, options.frame_bytes_max) = (Vec::new(), Vec::new());
        options.padding = (0, if random.chance(300) { 8_000 } else { 0 });
        (options.burst, options.pause_ms) = (random.between(1, 12), random.between(500, 2_000));
        options.duration_ms = random.between(20_000, 40_000);
        options.pause_ms_max = random.between(1_000, 20_000);
        options.patience = usize::MAX;
        (options.change_permille, options.http_permille) = (0, 0);
        (options.http_loss_permille, options.disk_failure_permille) = (0, 0);
        (options.swallow_permille, options.token_silence_permille) = (0, 0);
        (options.token_ms, options.strict_expiry) = (0, false);
        (options.token_stale_permille, options.type_permille) = (0, 0);
        (options.has_hostile, options.hostile_waits) = (true, true);
        options
    }

    /// Bursts beyond every limit, readers that cannot keep up, and readers that do not read at all.
    fn add_floods(&mut self, random: &mut Random) {
        self.people = self.people.max(2);
        self.padding = (2_000, random.between(2_000, 16_000));
        self.bytes_max = random.between(4_000_000, BYTES_MAX);
        self.burst = random.between(100, 600);
        self.http_burst = random.between(50, 500);
        self.http_permille = 500;
        self.patience = OUTBOX_MESSAGES_MAX;
        self.leave_permille = random.between(0, 100);
        self.pause_ms = random.between(1_000, 10_000);
        self.duration_ms = random.between(20_000, 90_000);
        if random.chance(500) {
            // Who waits for acks sends fast only where they come fast.
            self.latency_ms_min = random.between(0, 5);
            self.latency_ms_max = self.latency_ms_min + random.between(0, 30);
        }
        if random.chance(500) {
            // What a reader was sent and has not confirmed is forgotten with each connection and each room that ends.
            self.faults.retain(|_| random.chance(200));
        }
        if random.chance(600) {
            // Frames wait in the sockets of frozen tabs, until the room closes those.
            self.duration_ms = random.between(45_000, 90_000);
            (self.frozen_ms_min, self.pause_ms_max) = (30_000, 90_000);
            self.faults
                .push((Fault::Freeze, random.between(5_000, 30_000)));
        }
        let mut rate = || {
            if random.chance(400) {
                random.between(20, 100)
            } else {
                0
            }
        };
        self.bytes_per_ms = (0..self.people).map(|_| rate()).collect();
    }

    /// People who mostly listen, for longer than anybody may be silent, while the object sleeps and wakes: no connection dies.
    fn become_quiet(&mut self, random: &mut Random) {
        self.people = self.people.max(2);
        self.faults = vec![
            (Fault::Eviction, random.between(2_000, 15_000)),
            (Fault::Hint, random.between(20_000, 200_000)),
        ];
        self.duration_ms = QUIET_MS;
        self.pause_ms = QUIET_PAUSE_MS * self.people as u64;
        (self.burst, self.http_burst, self.padding) = (1, 1, (0, 0));
        (self.leave_permille, self.stream_permille) = (0, 0);
        (self.bytes_per_ms, self.frame_bytes_max) = (Vec::new(), Vec::new());
        self.has_hostile = false;
        // An object that is reset twice forgets two signs of life of one peer, and takes it for silent.
        self.swallow_permille = 0;
        self.pings_in_code = random.chance(500);
        self.hidden = (0..self.people).map(|_| random.chance(300)).collect();
    }

    /// Two people who take turns at each app.
    fn add_turns(&mut self, random: &mut Random) {
        (self.named, self.takes_turns) = (true, true);
        self.faults
            .push((Fault::SignIn, random.between(500, 10_000)));
        // Who types is said by a name, and that of whoever typed before is not theirs.
        self.type_permille = 0;
    }

    /// Sources of tokens that are slow, fail, or are texts that the app has to replace.
    fn add_sources(&mut self, random: &mut Random) {
        self.token_failure_permille = random.between(0, 500);
        self.token_ms_max = random.between(0, 12_000);
        self.texts = (0..self.people).map(|_| random.chance(400)).collect();
        self.faults
            .push((Fault::Source, random.between(1_000, 20_000)));
    }

    /// Views that come and go where there is no network: whose it is that people write there, only the app can say.
    fn add_views(&mut self, random: &mut Random) {
        self.sources_are_far = true;
        self.faults.push((Fault::View, random.between(500, 10_000)));
        self.faults
            .push((Fault::Offline, random.between(1_000, 10_000)));
        if random.chance(700) && !self.takes_turns {
            self.add_turns(random);
        }
        self.says_user = random.chance(600);
        // What is written into a page's memory alone is another matter.
        self.no_tab_disk &= !self.says_user;
    }

    /// Gateways that close connections on long frames, and some messages that are longer.
    fn add_gateways(&mut self, random: &mut Random) {
        let bytes_max = random.between(2_000, 16_000);
        let mut limit = || {
            if random.chance(600) {
                usize::try_from(bytes_max).unwrap_or(0)
            } else {
                0
            }
        };
        self.frame_bytes_max = (0..self.people).map(|_| limit()).collect();
        self.padding.1 = self.padding.1.max(bytes_max + bytes_max / 10);
        // Each that is longer may cost three connections.
        (self.burst, self.patience) = (self.burst.min(10), self.patience.min(50));
        self.pause_ms = self.pause_ms.max(300);
        self.has_cache = false;
    }

    fn draw_usual(random: &mut Random) -> Self {
        let latency_ms_min = random.between(0, 40);
        let latency_ms_max = latency_ms_min + random.between(0, 400);
        let spans = [
            (Fault::Death, 600, 300, 15_000),
            (Fault::BlackHole, 300, 2_000, 30_000),
            (Fault::Stall, 300, 1_000, 20_000),
            (Fault::Eviction, 600, 200, 20_000),
            (Fault::Restart, 500, 5_000, 60_000),
            (Fault::NewEpoch, 120, 5_000, 40_000),
            (Fault::Crash, 400, 1_000, 20_000),
            (Fault::Close, 250, 5_000, 30_000),
            (Fault::Freeze, 300, 2_000, 20_000),
            (Fault::Offline, 300, 2_000, 20_000),
            (Fault::Storm, 200, 5_000, 40_000),
        ];
        let mut faults = Vec::new();
        for (fault, permille, low, high) in spans {
            if random.chance(permille) {
                faults.push((fault, random.between(low, high)));
            }
        }
        let mut sometimes = |permille: u64, low: u64, high: u64| {
            if random.chance(permille) {
                random.between(low, high)
            } else {
                0
            }
        };
        let padding = sometimes(100, 1_000, 12_000);
        let slowest = sometimes(200, 10, 200);
        let (http_loss_permille, disk_failure_permille) =
            (sometimes(300, 0, 200), sometimes(200, 0, 50));
        let (swallow_permille, token_ms) = (sometimes(300, 1, 60), sometimes(300, 20_000, 200_000));
        let token_silence_permille = sometimes(200, 1, 300);
        let token_stale_permille = sometimes(300, 1, 500);
        let type_permille = sometimes(500, 1, 300);
        let (change_permille, no_tab_disk) = (sometimes(600, 1, 300), sometimes(100, 1, 1) == 1);
        let blocked_ms = sometimes(400, 2_000, 20_000);
        if blocked_ms > 0 {
            faults.push((Fault::Blocked, blocked_ms));
        }
        let (hints_ms, hints_are_silent) = (sometimes(400, 500, 20_000), sometimes(200, 1, 1) == 1);
        if hints_ms > 0 {
            faults.push((Fault::Hint, hints_ms));
        }
        let stream_permille = sometimes(300, 50, 500);
        let stay_permille = sometimes(300, 500, 980);
        let has_cache = sometimes(200, 1, 1) == 1;
        let people = usize::try_from(random.between(1, 6)).unwrap_or(1);
        let mut rate = || match random.between(0, 2) {
            0 => 0,
            times => slowest * times,
        };
        let bytes_per_ms = (0..people).map(|_| rate()).collect();
        Self {
            people,
            named: random.chance(700),
            takes_turns: false,
            latency_ms_min,
            latency_ms_max,
            duration_ms: random.between(5_000, 60_000),
            pause_ms: random.between(if padding > 0 { 300 } else { 5 }, 2_000),
            burst: random.between(1, if padding > 0 { 4 } else { 30 }),
            padding: (0, padding),
            bytes_max: BYTES_MAX,
            patience: PATIENCE,
            http_permille: 100,
            http_burst: 1,
            bytes_per_ms,
            frame_bytes_max: Vec::new(),
            change_permille,
            stream_permille,
            reload_permille: if random.chance(200) {
                random.between(50, 500)
            } else {
                20
            },
            leave_permille: random.between(0, if stay_permille > 0 { 200 } else { 30 }),
            stay_permille,
            faults,
            silence_ms_max: random.between(0, 60_000),
            pause_ms_max: random.between(1_000, 120_000),
            frozen_ms_min: 1,
            http_loss_permille,
            disk_failure_permille,
            swallow_permille,
            tab_disk_ms_max: random.between(0, 200),
            hints_are_silent,
            has_cache: has_cache && padding == 0,
            no_tab_disk,
            token_silence_permille,
            token_failure_permille: 0,
            token_ms_max: 0,
            texts: Vec::new(),
            sources_are_far: false,
            says_user: false,
            token_ms,
            token_stale_permille,
            type_permille,
            strict_expiry: random.chance(300),
            has_hostile: false,
            hostile_waits: false,
            hidden: Vec::new(),
            pings_in_code: false,
        }
    }
}
