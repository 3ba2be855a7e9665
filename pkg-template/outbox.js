/**
 * The outbox's keeper: what the core wants kept is kept, and what others left behind is brought to it.
 *
 * Owns which rows are where, when lanes are taken, given up and taken over, and what becomes of it all when the
 * browser's storage fails. Must not know what rows say, nor when they are sent: that is the core's.
 *
 * Life: the first link claims the tab's own lane and hands its rows to the core; lanes of tabs that died are taken
 * over one by one. While there is no link, and while the page may be frozen, all lanes are given up, so that others
 * may send what is in them; then they are claimed again, and the core learns what is left. Without a link they are claimed for
 * a moment where something in them is to change: nothing is written into a lane from which another tab may be sending. What was
 * taken over of another client of the page is given back when that comes again. A lane in which only other people's rows wait is
 * left to those: who holds it would keep them out. A page that may keep nothing on disk keeps it in its own memory, for the
 * room's next client; when the disk fails, the client's memory serves for the rest of its life.
 */

import { hasIndexedDb, OutboxDatabase } from './outbox-database.js';
import { Lanes } from './outbox-lane.js';
import { isPage, MemoryDatabase } from './outbox-memory.js';
import { canRemember } from './tab-memory.js';

/**
 * How long lanes are kept after the link was given up, or without one after they were claimed, in milliseconds: a view that is
 * taken down and put up again in between finds everything as it was.
 */
const KEEP_MS = 1_000;
/**
 * How long a lane that was just given up is left alone, in milliseconds: a page that reloads gets its own back, and
 * what was written in it stays in it.
 */
const RELOAD_MS = 2_000;
/** How long what a closed client wrote before anybody was known is still of who is known first, in milliseconds. */
const LEFT_MS = 10_000;
/** What stands before a lane's name where a tab that could send it lines up for it. */
const WANTED = '?';
/** The owner of a row that was written before there was a token, where the app does not say who uses the client. */
const UNKNOWN = 'unknown';

/**
 * How far what waits in the outbox reaches: every tab of the browser, this tab's reloads, or this page.
 *
 * @param {boolean} areLanesShared Whether another tab may take over what this one leaves.
 * @returns {'browser' | 'tab' | 'memory'} As far as can be told without trying.
 */
function expectedPersistence(areLanesShared) {
  if (!hasIndexedDb()) {
    return 'memory';
  }
  if (areLanesShared) {
    return 'browser';
  }
  // A lane without locks is found again by the tab's own memory only.
  return canRemember() ? 'tab' : 'memory';
}

/**
 * By room: its Worker, ids of rows that the page's clients wrote before there was a token, and how many of those there are, until they
 * are closed and a while longer.
 */
const writtenIn = /* @__PURE__ */ new Map();

/** A client of the room that is there no more, or will not be for long. */
function leave(room) {
  const written = writtenIn.get(room);
  written.clients -= 1;
  if (written.clients === 0) writtenIn.delete(room);
}

/** One client's outbox on disk. */
export class Outbox {
  #channelName;
  #workerUrl;
  #tell;
  #events;
  #lanes;
  /** Undefined when it failed. */
  #database;
  /** Whether there was nothing else from the start. */
  #isInMemory;
  #persistence;
  /** By id, every row that is kept: `{ row, lane, position }`. */
  #rows = new Map();
  /**
   * Ids of rows that were written before there was a token: who is known first has written them. It is one for all clients of the
   * room that the page has at a time; what others left before them may be somebody else's.
   */
  #written = new Set();
  #hasEntered = false;
  /** The lane that new rows go to, and where in it the next one goes. */
  #lane;
  #nextPosition = 0;
  /** Fulfilled once the lane is known; rows wait for it. */
  #ready;
  #becomeReady;
  /** Whether a token told who uses the client. */
  #isIdentified = false;
  /** Whether the app said so. */
  #isSaid;
  /** Whether the core ever asked for its rows. */
  #isStarted = false;
  /** Whether there is a link, or one is being made. */
  #isLinked = false;
  /** Whether lanes are to be held: while there is a link, and a little longer. */
  #isWanted = false;
  #isFrozen = false;
  #isClosed = false;
  /** While lanes are being claimed: fulfilled when that is over. */
  #claiming;
  #isHolding = false;
  /** Whether the view of the client is gone. */
  #isLeaving = false;
  /** Whether the client is closed, and only what was sent is still being written. */
  #isEnding = false;
  /** Whether the core waits for rows that it asked for. */
  #isAsked = false;
  /** Whether the core was told that others may send. */
  #isReleased = false;
  /** Makes a database in the place of one that failed; undefined where there is none. */
  #reopen;
  /** Counts releases: a taking over that was begun before one is void. */
  #turn = 0;
  /** Counts clearings: what was read before one is void. */
  #clears = 0;
  #clearing = Promise.resolve();
  /** Changes that are not on disk yet. */
  #changes = new Set();
  /** Ids that were removed while rows are being read. */
  #removed = new Set();
  /** The timer that gives lanes up where there is no link. */
  #leaving;
  /** Lanes that are being waited for in this turn. */
  #sought = new Set();
  #channel;
  #listeners = [];

  /**
   * @param {{ workerUrl: string, spaceId: string }} place
   * @param {(act: (core: object) => void) => void} tell Lets a function at the core, if there is one.
   * @param {object} events
   * @param {(rows: object[]) => void} events.onLoading These rows are about to be handed to the core.
   * @param {() => void} events.onWeakened What waits does not reach as far as was thought; see {@link persistence}.
   * @param {(error: unknown) => void} events.onLost Storage failed; memory serves from now on.
   * @param {() => Promise<void>} events.onWanted Another client of the page is there for what this one, which leaves, still
   *   holds: resolves once that is closed.
   * @param {object} [parts] `user`: who uses the client, where the app says so. Stand-ins: `lanes`, and
   *   `makeDatabase(place, { onLost, onDeleted })`.
   */
  constructor(place, tell, events, { user, lanes = new Lanes(place), makeDatabase = openDatabase } = {}) {
    this.#channelName = `kuratchi-spaces:${JSON.stringify([place.workerUrl, place.spaceId])}`;
    this.#workerUrl = place.workerUrl;
    this.#tell = tell;
    this.#events = events;
    this.#lanes = lanes;
    this.#ready = new Promise((resolve) => {
      this.#becomeReady = resolve;
    });
    this.#persistence = expectedPersistence(lanes.areShared);
    lanes.user = user;
    this.#isSaid = user !== undefined;
    lanes.onLost = () => this.#loseLocks();
    lanes.onFreed = () => this.#lookAround();
    lanes.owns = (rows) => !this.#areOthers(rows);
    lanes.onWanted = async (lane, owns) => {
      if (!this.#isLeaving && !this.#isEnding) await this.#giveBack(lane);
      else if (owns(this.#kept)) await events.onWanted();
    };
    this.#isInMemory = this.#persistence === 'memory';
    if (this.#isInMemory) {
      this.#database = new MemoryDatabase(place);
      lanes.keepToPage();
    } else {
      const events = { onLost: (error) => this.#degrade(error), onDeleted: () => this.#writeAgain() };
      this.#database = makeDatabase(place, events);
      this.#reopen = () => makeDatabase(place, { onLost: ignore, onDeleted: ignore });
    }
  }

  /** How far what waits reaches: `'browser'`, `'tab'` or `'memory'`. */
  get persistence() {
    return this.#persistence;
  }

  /** Whether what waits outlives the client. */
  get isKept() {
    return this.#database !== undefined && (!this.#isInMemory || isPage());
  }

  /** Whether something waits of which nobody knows yet whose it is. */
  get hasOwnerless() {
    return this.#kept.some(({ owner, failure }) => owner === UNKNOWN && !failure);
  }

  /** Every row that is kept. */
  get #kept() {
    return [...this.#rows.values()].map(({ row }) => row);
  }

  /** The core asks what is left; it is told as soon as the lane is claimed. */
  load() {
    if (!this.#database) {
      this.#tell((core) => {
        core.outboxLoaded([]);
        core.persistFailed();
      });
      return;
    }
    this.#isAsked = true;
    this.#isStarted = true;
    this.#enter();
    this.setWanted(true);
  }

  /** Whether there is a link, or one is being made: that long lanes are held. */
  setWanted(isWanted) {
    const wasLinked = this.#isLinked;
    this.#isLinked = isWanted && this.#isStarted;
    clearTimeout(this.#leaving);
    if (!this.#isLinked) {
      this.#leaveLater();
      return;
    }
    this.#isWanted = true;
    this.#follow();
    if (!wasLinked && this.#isHolding) this.#lookOut();
  }

  /** The core wants to change what was given up: it is told what is left as soon as the lanes are claimed. */
  reclaim() {
    if (!this.#isStarted) return;
    this.#isWanted = true;
    this.#follow();
    this.#leaveLater();
  }

  /** Who uses the client is known, or is another one: what others left is looked at anew. Or nobody knows any more. */
  identified(isKnown) {
    this.#isIdentified = isKnown;
    this.#lookAround();
    this.#leaveOthers();
  }

  /** Keeps a row: a new one behind all others, a known one in its place unless it is tried again. */
  put(row) {
    this.#whenHeld((database) => {
      const known = this.#rows.get(row.id);
      const isRetried = Boolean(known?.row.failure) && !row.failure;
      const { lane, position } = known && !isRetried ? known : this.#takePlace();
      const isFirst = !this.#rowsOf(lane).some(({ owner }) => owner === row.owner);
      this.#rows.set(row.id, { row, lane, position });
      if (!known || this.#written.has(row.id)) this.#note(row.id, row.owner);
      return database.put(row, { lane, position }, isRetried ? known : undefined).then(() => {
        this.#tell((core) => core.persisted(row.id));
        if (known) {
          this.#leaveIfEmpty(known.lane);
        }
        if (isFirst) {
          // Others learn of the lane, so that they line up for it.
          this.#channel?.postMessage(lane);
        }
      });
    });
  }

  /** Forgets a row. */
  remove(id) {
    if (this.#claiming) {
      this.#removed.add(id);
    }
    this.#whenHeld((database) => {
      const known = this.#rows.get(id);
      this.#rows.delete(id);
      this.#note(id);
      if (!known) {
        this.#tell((core) => core.removed(id));
        return undefined;
      }
      return database.remove(id, known).then(() => {
        this.#tell((core) => core.removed(id));
        this.#leaveIfEmpty(known.lane);
        const left = this.#rowsOf(known.lane);
        // Somebody else's may be all that is left.
        if (left.length > 0 && left.every(({ owner }) => owner !== known.row.owner)) this.#leaveOthers();
      });
    }, true);
  }

  /** Resolves when all that was put and removed so far is on disk, or can not be. */
  async whenWritten() {
    do await Promise.all(this.#changes);
    while (this.#changes.size > 0);
  }

  /** The client is closed: resolves when what was sent is on disk, or can not be. Whoever has the room next may ask for it. */
  async end() {
    this.#isEnding = true;
    this.#giveWay();
    if (this.#claiming) await this.#claiming;
    await this.whenWritten();
  }

  /** Forgets every row of the space, of whatever lane. */
  clear() {
    // Whoever signs out has written what is nobody's yet, in other rooms as well.
    for (const written of writtenIn.values()) if (written.workerUrl === this.#workerUrl) written.ids.clear();
    this.#clears += 1;
    this.#clearing = this.#clear();
    // Whoever cares asks with `whenCleared()`.
    this.#clearing.catch(ignore);
  }

  /** Resolves when the latest clearing is through; rejects when the disk did not do it. */
  whenCleared() {
    return this.#clearing;
  }

  /** The view is gone: the tab's next client is to have what is kept. */
  leave() {
    this.#isLeaving = true;
    this.#giveWay();
  }

  #giveWay() {
    this.#lanes.leave(true);
    if (this.#lanes.hasSuccessor(this.#kept)) this.#events.onWanted();
  }

  /** Gives everything back. What is kept stays for others, or for the tab's next client. */
  close() {
    this.#isClosed = true;
    // The client of a view that is gone has been waiting for somebody to be known already.
    if (this.#hasEntered) {
      const room = this.#channelName;
      this.#hasEntered = false;
      // Of the client itself nothing is kept.
      if (this.#isLeaving) leave(room);
      else setTimeout(leave, LEFT_MS, room).unref?.();
    }
    this.#isHolding = false;
    clearTimeout(this.#leaving);
    this.#turn += 1;
    this.#unlisten();
    this.#lanes.close();
    // What was stored in the same moment is not to be sent again by whoever finds it.
    this.whenWritten().then(() => this.#database?.close());
  }

  /** Where there is no link, lanes are kept a little longer, and given up. */
  #leaveLater() {
    clearTimeout(this.#leaving);
    if (this.#isLinked || !this.#isWanted) return;
    this.#leaving = setTimeout(() => {
      // Whoever claims leaves afterwards; who is frozen claims once it runs again, for whatever waits for that.
      if (this.#claiming || this.#isFrozen) return;
      this.#isWanted = false;
      this.#follow();
    }, KEEP_MS);
    // No program waits for that.
    this.#leaving.unref?.();
  }

  #isDue() {
    return this.#isWanted && !this.#isFrozen && !this.#isClosed && this.#database !== undefined;
  }

  /** Brings what is held in line with what is wanted. */
  #follow() {
    if (!this.#isDue()) {
      if (this.#isHolding && this.#database) {
        this.#release();
      }
      if (!this.#isWanted) {
        this.#unlisten();
        this.#lanes.leave();
      }
    } else if (!this.#isHolding) {
      this.#claiming ??= this.#claim();
    } else if (this.#isHolding && this.#isAsked) {
      this.#hand([]);
    }
  }

  /** Others may send what is kept, from now on. Nothing here waits: the page may be frozen right after. */
  #release() {
    this.#isHolding = false;
    this.#isReleased = true;
    this.#turn += 1;
    this.#sought = new Set();
    this.#closeChannel();
    this.#tell((core) => core.outboxReleased());
    this.#lanes.releaseAll();
  }

  /** Another client of the page is to have a lane again that was taken over. */
  async #giveBack(lane) {
    await this.#claiming;
    // Where storage failed, what is here is all there is of what was put since.
    if (!this.#database || lane === this.#lane || !this.#lanes.holds(lane) || this.#isTied(lane)) return;
    for (const [id, entry] of this.#rows) {
      if (entry.lane === lane) this.#rows.delete(id);
    }
    const left = this.#kept;
    this.#tell((core) => {
      core.outboxReleased();
      core.outboxReclaimed(left);
    });
    this.#lanes.release(lane);
    // Should that client go, it is lined up for again. Another tab has it for good.
    if (this.#isIdentified) setTimeout(() => this.#lookAround(), KEEP_MS).unref?.();
  }

  /** Whether a row of a lane changes a message of another one that waits as well: they are sent from one place, in order. */
  #isTied(lane) {
    return [...this.#rows.values()].some((change) => {
      const message = this.#rows.get(change.row.body?.messageId);
      return message && message.lane !== change.lane && [message.lane, change.lane].includes(lane);
    });
  }

  async #claim() {
    this.#listen();
    const clears = this.#clears;
    this.#removed.clear();
    try {
      const found = await this.#gather();
      if (this.#isDue()) {
        this.#isHolding = true;
        this.#settle(clears === this.#clears ? found : []);
      } else {
        this.#lanes.releaseAll();
      }
    } catch {
      // The database told of its end: nobody has to wait for us.
      this.#lanes.releaseAll();
    }
    this.#claiming = undefined;
    this.#becomeReady();
    if (!this.#isHolding) {
      if (!this.#isWanted) this.#follow();
    } else if (!this.#isLinked) {
      this.#leaveLater();
    } else {
      this.#lookOut();
      this.#leaveOthers();
    }
  }

  /** Takes the tab's lane, and those taken over before that are still free. Gives what they hold. */
  async #gather() {
    const { lane: before, refused, left } = await this.#lanes.takeOwn(this.#lane);
    const known = new Set([...[...this.#rows.values()].map((entry) => entry.lane), ...left]);
    // What a client before left is found by nobody else where there are no locks.
    if (!this.#lanes.areShared) for (const remembered of this.#lanes.left()) known.add(remembered);
    let lane = before;
    let own = await this.#database.read(lane);
    // What is to be written may say whose they are.
    if (this.#changes.size === 0 && this.#areOthers(own.map(({ row }) => row))) {
      lane = await this.#lanes.takeNew();
      own = [];
    }
    const lanes = [];
    const read = [];
    for (const other of known) {
      const isOver = [lane, before, refused].includes(other) || this.#areOthers(this.#rowsOf(other));
      if (isOver || !(await this.#lanes.take(other))) continue;
      const entries = await this.#database.read(other);
      if (entries.length === 0 || this.#areOthers(entries.map(({ row }) => row))) {
        this.#lanes.release(other);
        continue;
      }
      lanes.push(other);
      read.push(entries);
    }
    if (lane !== this.#lane) {
      this.#lane = lane;
      this.#nextPosition = 0;
    }
    this.#nextPosition = Math.max(this.#nextPosition, (own.at(-1)?.position ?? -1) + 1);
    const inLane = (entries, name) => entries.map((entry) => ({ ...entry, lane: name }));
    return byTime([inLane(own, lane), ...read.map((entries, index) => inLane(entries, lanes[index]))]);
  }

  /**
   * Takes what was read as what is there. Rows that were kept before and are not there were sent by others; changes that came
   * while it was read follow.
   */
  #settle(found) {
    this.#rows = new Map(found.map((entry) => [entry.row.id, entry]));
    this.#hand(found.map(({ row }) => row).filter(({ id }) => !this.#removed.has(id)));
  }

  /** Tells the core what there is. */
  #hand(kept) {
    const rows = this.#withFreshness(kept);
    const isAsked = this.#isAsked;
    const isReleased = this.#isReleased;
    this.#isAsked = false;
    this.#isReleased = false;
    this.#events.onLoading(rows);
    this.#tell((core) => {
      if (isAsked) {
        core.outboxLoaded(rows);
      }
      if (isReleased) {
        core.outboxReclaimed(rows);
      }
    });
  }

  /** Has a look at the lanes of others, now and whenever one of them says that there is something in its own. */
  #lookOut() {
    this.#openChannel();
    this.#lookAround();
  }

  /** Gives all lanes up, and claims them anew, where one holds other people's rows alone. */
  async #leaveOthers() {
    // What was written before is somebody's with the next write.
    await this.whenWritten();
    if (
      this.#database &&
      this.#isHolding &&
      this.#lanes.held.some((lane) => this.#areOthers(this.#rowsOf(lane)))
    ) {
      this.#release();
      this.#follow();
    }
  }

  /** Whether whoever may send a lane's rows finds it. */
  get #isFound() {
    return this.#lanes.areShared || this.#isInMemory;
  }

  /** Whether a lane on the disk holds other people's rows alone. */
  async #isOthers(lane) {
    if (!this.#isFound) return false;
    return this.#areOthers((await this.#database.read(lane)).map(({ row }) => row));
  }

  /** Whether rows are other people's, all of them: whoever holds their lane keeps those out. */
  #areOthers(rows) {
    let isOurs = rows.length === 0 || !this.#isKnown || !this.#isFound;
    this.#tell((core) => {
      isOurs ||= core.ownsAny(rows);
    });
    return !isOurs;
  }

  /** Whether it is known who uses the client, or by whom it is said to be used. */
  get #isKnown() {
    return this.#isIdentified || this.#isSaid;
  }

  /**
   * Lines up for the lanes of others: each is ours once its tab is no more. Who it is has to be known. While no token came, lanes are
   * taken that are free, to be shown: a tab that cannot send lines up for none.
   */
  async #lookAround() {
    if (!this.#isHolding || !this.#database || !this.#isKnown) {
      return;
    }
    const lanes = await this.#database.lanes().catch(() => []);
    const ours = this.#lanes.left();
    for (const lane of this.#isFound ? lanes : lanes.filter((one) => ours.includes(one))) {
      if (this.#isHolding && !this.#lanes.has(lane) && !this.#sought.has(lane)) {
        this.#takeOver(lane);
      }
    }
  }

  async #takeOver(lane) {
    const turn = this.#turn;
    const sought = this.#sought;
    sought.add(lane);
    const isTaken = !(await this.#isOthers(lane).catch(() => true)) && (await this.#seek(lane, turn));
    sought.delete(lane);
    if (!isTaken) {
      return;
    }
    const clears = this.#clears;
    const found = await this.#adopt(lane, clears).catch(() => []);
    // Another client of the page may want it back already.
    if (!this.#lanes.holds(lane)) return;
    if (turn !== this.#turn || clears !== this.#clears || found.length === 0) {
      this.#lanes.release(lane);
      return;
    }
    for (const entry of found) {
      this.#rows.set(entry.row.id, entry);
    }
    const rows = this.#withFreshness(found.map(({ row }) => row));
    this.#events.onLoading(rows);
    this.#tell((core) => core.outboxLoaded(rows));
  }

  /**
   * Reads a lane that was taken over, and marks its rows, before any of it is sent: whose it was sends no other text in its place.
   * Gives nothing where all is other people's, or was cleared meanwhile.
   */
  async #adopt(lane, clears) {
    const read = await this.#database.read(lane);
    if (clears !== this.#clears || this.#areOthers(read.map(({ row }) => row))) return [];
    const entries = read.map(({ row, position }) => ({ row: { ...row, adopted: true }, lane, position }));
    const isNew = (_, index) => !read[index].row.adopted;
    // Another client of the page may want the lane back already.
    if (this.#lanes.holds(lane)) {
      await Promise.all(entries.filter(isNew).map((entry) => this.#database?.put(entry.row, entry)));
    }
    return entries;
  }

  /** Waits until a lane's lock is held. Gives whether it is; not when all lanes were given up meanwhile. */
  async #seek(lane, turn) {
    let isTaken = await this.#lanes.take(lane);
    while (!isTaken && turn === this.#turn && this.#lanes.areShared && this.#isIdentified) {
      // A client of this page is no page that reloads.
      const leaveAloneMs = this.#lanes.isNeighbours(lane) ? 0 : RELOAD_MS;
      // A tab that cannot send may only show it.
      this.#channel?.postMessage(WANTED + lane);
      if (await this.#lanes.wait(lane)) {
        this.#lanes.release(lane);
        await new Promise((resolve) => setTimeout(resolve, leaveAloneMs));
        isTaken = turn === this.#turn && (await this.#lanes.take(lane));
      }
    }
    if (isTaken && turn !== this.#turn) {
      this.#lanes.release(lane);
    }
    return isTaken && turn === this.#turn;
  }

  /** A lane that was taken over is given back once it is empty; the tab's own is kept. */
  #leaveIfEmpty(lane) {
    if (lane !== this.#lane && this.#rowsOf(lane).length === 0) {
      this.#lanes.release(lane);
    }
  }

  /** Shares with the room's other clients in the page what was written before there was a token. */
  #enter() {
    if (this.#hasEntered) return;
    this.#hasEntered = true;
    const [workerUrl, ids] = [this.#workerUrl, this.#written];
    const written = writtenIn.get(this.#channelName) ?? { workerUrl, ids, clients: 0 };
    written.clients += 1;
    this.#written = written.ids;
    writtenIn.set(this.#channelName, written);
  }

  /** Takes note of who owns a row by now, or that it is gone. */
  #note(id, owner) {
    if (owner === UNKNOWN) this.#written.add(id);
    else this.#written.delete(id);
  }

  /** Rows as the core is to have them. */
  #withFreshness(rows) {
    return rows.map((row) => (this.#written.has(row.id) ? { ...row, fresh: true } : row));
  }

  /** Rows that are kept in a lane. */
  #rowsOf(lane) {
    const entries = [...this.#rows.values()].filter((entry) => entry.lane === lane);
    return entries.map(({ row }) => row);
  }

  #takePlace() {
    this.#nextPosition += 1;
    return { lane: this.#lane, position: this.#nextPosition - 1 };
  }

  /**
   * Changes line up until lanes are held; then each goes to the disk at once. In a page that may be frozen, none waits. Once the
   * client is closed only those do that are final.
   */
  #whenHeld(act, isFinal = false) {
    if (!this.#isHolding && !this.#isFrozen) this.reclaim();
    const isPossible = () => this.#database && (isFinal || !this.#isClosed);
    const turn = this.#claiming ?? this.#ready;
    const change = turn.then(() => (isPossible() ? act(this.#database) : undefined)).catch(ignore);
    this.#changes.add(change);
    change.then(() => this.#changes.delete(change));
  }

  async #clear() {
    if (this.#claiming) await this.#claiming;
    // In line behind the rows that were put before.
    await undefined;
    this.#rows.clear();
    // Who signs out has to know: after a failure of the storage it is tried once more, and told where that fails as well.
    const database = this.#database ?? this.#reopen?.();
    await database?.clear();
    for (const lane of this.#lanes.held) {
      this.#leaveIfEmpty(lane);
    }
  }

  /** The database is another one: what is held goes into it. */
  #writeAgain() {
    for (const { row, lane, position } of this.#isHolding ? this.#rows.values() : []) {
      this.#database?.put(row, { lane, position }).catch(ignore);
    }
  }

  /** There are no locks after all: what waits is kept, and no other tab takes it over. */
  #loseLocks() {
    if (this.#database) {
      this.#persistence = expectedPersistence(false);
      this.#closeChannel();
      this.#events.onWeakened();
    }
  }

  /** Storage failed. Lanes that are held stay so: what is on the disk is sent from here. */
  #degrade(error) {
    const rows = this.#kept;
    this.#database = undefined;
    this.#persistence = 'memory';
    // Nothing is looked for any more, and nothing given up.
    this.#unlisten();
    this.#becomeReady();
    // What is not written when the client ends is nowhere.
    if (this.#isEnding) return;
    this.#tell((core) => core.persistFailed());
    if (this.#isAsked || this.#isReleased) {
      // Whoever else may have sent them: the server stores each once.
      this.#hand(rows);
    }
    this.#events.onLost(error);
  }

  #listen() {
    if (this.#listeners.length > 0) {
      return;
    }
    const { window, document } = globalThis;
    const freeze = (isFrozen) => () => {
      this.#isFrozen = isFrozen;
      this.#follow();
    };
    const whenShown = () => {
      if (!document.hidden) {
        this.#lookAround();
      }
    };
    for (const [target, event, listener] of [
      [window, 'pagehide', freeze(true)],
      [window, 'pageshow', freeze(false)],
      [document, 'visibilitychange', whenShown],
    ]) {
      target?.addEventListener?.(event, listener);
      this.#listeners.push(() => target?.removeEventListener?.(event, listener));
    }
  }

  #unlisten() {
    for (const remove of this.#listeners.splice(0)) {
      remove();
    }
    // Nobody would tell of the thaw; whoever asks next does so in a page that runs.
    this.#isFrozen = false;
    this.#closeChannel();
  }

  #openChannel() {
    if (!this.#lanes.areShared || this.#channel) return;
    try {
      this.#channel = new BroadcastChannel(this.#channelName);
      this.#channel.onmessage = ({ data }) => {
        if (typeof data !== 'string' || !data.startsWith(WANTED)) this.#lookAround();
        else if (!this.#isIdentified) this.#giveBack(data.slice(WANTED.length));
      };
    } catch {
      // There is none, or none for this page: lanes are looked for when the page is shown.
    }
  }

  #closeChannel() {
    this.#channel?.close();
    this.#channel = undefined;
  }
}

/** The rows of several lanes in the order of time; those of a lane keep theirs. */
function byTime(lanes) {
  const left = lanes.filter((lane) => lane.length > 0);
  const merged = [];
  while (left.length > 0) {
    left.sort(([a], [b]) => a.row.addedAt - b.row.addedAt);
    merged.push(left[0].shift());
    if (left[0].length === 0) left.shift();
  }
  return merged;
}

function openDatabase(place, events) {
  return new OutboxDatabase(place, events);
}

function ignore() {}
