/**
 * The client's store as Svelte 5 has it: reactive in runes, and as classic stores.
 *
 * Owns which client a component looks at, and which part of its snapshot makes it update. Must not know what any of
 * it means.
 */

import { getContext, onMount, setContext, untrack } from 'svelte';
import { createSubscriber } from 'svelte/reactivity';
import { toStore } from 'svelte/store';
import { Following } from '../following.js';
import { given, hold, isClient, leave, loadNewest } from '../holding.js';
import { OwnClient } from '../own-client.js';
import { client as createClient } from '../space.js';
import { watchAddress } from './given-once.js';

const KEY = 'kuratchi-spaces';
const CONNECTION = ['state', 'connected', 'retryInMs', 'retryAt', 'transport', 'persistence', 'error'];

export function setSpace(source) {
  return setContext(KEY, useSpace(source ?? null));
}

export function useSpace(source) {
  if (source === undefined) {
    return given(getContext(KEY));
  }
  if (typeof source === 'function') {
    return follow(source);
  }
  const isGiven = isClient(source);
  const space = isGiven ? source : createClient(source);
  onMount(() => hold(space, isGiven ? undefined : () => leave(space)));
  try {
    // Bundlers see that this is out of reach in what is built for people.
    if (process.env.NODE_ENV !== 'production') onMount(() => watchAddress(source));
  } catch {
    // Without a bundler nobody says which it is.
  }
  return space;
}

/** The client of what a function gives, which may be another one at any time. */
function follow(source) {
  // Here, where there is a component: its runes are what the store follows.
  const followed = toStore(() => readWhole(source()));
  let view = viewOf(untrack(source));
  const following = new Following(view.space);
  onMount(() => {
    let heldView;
    const take = (value) => {
      if (!view?.takes(value)) {
        // Also where there is no next one: nobody is to stay in the room before, and write there.
        view?.end(value);
        view = undefined;
        // What is thrown here would end the component's effects.
        try {
          view = value == null ? undefined : viewOf(value);
        } catch (error) {
          console.error('kuratchi-spaces:', error);
        }
        following.follow(view?.space);
      }
      if (view !== heldView) view?.hold();
      heldView = view;
    };
    // What a token function reads is nothing that the config is made of.
    const stop = followed.subscribe((value) => untrack(() => take(value)));
    return () => {
      stop();
      view?.end();
    };
  });
  return following;
}

/** What a function gives, with each part of a config: one that is changed in place is still the same object. */
function readWhole(value) {
  return value && !isClient(value) ? { ...value } : value;
}

/** How a component looks at what it is given: a client, or a config of which it makes one. */
function viewOf(value) {
  return isClient(value) ? new Given(value) : new Made(value);
}

class Given {
  space;
  #release = () => {};

  constructor(space) {
    this.space = space;
  }

  /** Whether nothing changes by being given this. */
  takes(value) {
    return value === this.space;
  }

  hold() {
    this.#release = hold(this.space);
  }

  end() {
    this.#release();
  }
}

class Made {
  space;
  #own;
  #heard = '';
  #unlisten = () => {};
  /** Another config may come before the component is mounted. */
  #release = () => leave(this.space);

  constructor(config) {
    this.#own = new OwnClient(config ?? null, createClient);
    this.space = this.#own.space;
  }

  takes(value) {
    if (isClient(value) || !this.#own.isOf(value)) {
      return false;
    }
    // The function that gives the config runs where something that it reads is another.
    this.#own.take(value, true);
    this.#own.showToken();
    this.#listen();
    return true;
  }

  hold() {
    this.#listen();
    this.#release = hold(this.space, () => leave(this.space));
  }

  /** @param {unknown} [next] What takes its place. */
  end(next) {
    this.#own.yieldTo(isClient(next) ? undefined : next);
    this.#unlisten();
    this.#release();
  }

  #listen() {
    const { heard } = this.#own;
    if (heard.join() !== this.#heard) {
      this.#unlisten();
      this.#heard = heard.join();
      this.#unlisten = this.#own.listen(heard);
    }
  }
}

export function useMessages(client) {
  return new Messages(spaceOf(client));
}

export function useSend(client) {
  const space = spaceOf(client);
  return (...values) => space.sendMessage(...values);
}

export function useTyping(client) {
  return new Typing(spaceOf(client));
}

export function usePresence(client) {
  return new Slice(spaceOf(client), 'presence');
}

export function useConnection(client) {
  return new Slice(spaceOf(client), ...CONNECTION);
}

function spaceOf(client) {
  return given(client ?? getContext(KEY));
}

/** One part of the snapshot, or several as an object: the same value until one of them changed. */
class Slice {
  #space;
  #names;
  #parts = [];
  #value;
  #track;

  constructor(space, ...names) {
    this.#space = space;
    this.#names = names;
    this.#track = createSubscriber((update) => this.#watch(update));
  }

  get current() {
    this.#track();
    return this.#read();
  }

  subscribe(run) {
    const told = this.#read();
    run(told);
    return this.#watch(() => run(this.#value), told);
  }

  #read() {
    const snapshot = this.#space.getSnapshot();
    const parts = this.#names.map((name) => snapshot[name]);
    if (parts.some((part, index) => part !== this.#parts[index])) {
      this.#value =
        parts.length > 1 ? Object.fromEntries(parts.map((part, i) => [this.#names[i], part])) : parts[0];
      this.#parts = parts;
    }
    return this.#value;
  }

  #watch(tell, told = this.#read()) {
    return this.#space.subscribe(() => {
      if (this.#read() !== told) {
        told = this.#value;
        tell();
      }
    });
  }
}

class Messages extends Slice {
  #space;
  #history;

  constructor(space) {
    super(space, 'messages');
    this.#space = space;
    this.#history = new Slice(space, 'isLoaded', 'hasOlder', 'isLoadingOlder');
    onMount(() => loadNewest(space));
  }

  get isLoaded() {
    return this.#history.current.isLoaded;
  }

  get hasOlder() {
    return this.#history.current.hasOlder;
  }

  get isLoadingOlder() {
    return this.#history.current.isLoadingOlder;
  }

  // Bound, so that it can be an element's handler.
  loadOlder = (options) => this.#space.loadOlder(options);
}

class Typing extends Slice {
  constructor(space) {
    super(space, 'typing');
    this.setTyping = (...values) => space.setTyping(...values);
  }
}
