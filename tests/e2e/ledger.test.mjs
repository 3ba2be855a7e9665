/**
 * The ledger itself: it must be able to say no.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ledger } from './lib/ledger.mjs';

const SENT = ['a 1', 'a 2', 'a 3'];

/** The figures of a ledger in which Ada sent three and two observers show these. */
function balance(...views) {
  const ledger = new Ledger('of a test');
  ledger.send('ada', ...SENT);
  ledger.accept(...SENT);
  ledger.fault('cut');
  for (const [index, view] of views.entries()) ledger.show(`observer ${index}`, view);
  return { ledger, figures: ledger.balance() };
}

function assertRefused({ ledger, figures }, expected) {
  const { lost, doubled, strange, outOfOrder } = figures;
  assert.deepEqual({ lost, doubled, strange, outOfOrder }, expected);
  assert.throws(() => ledger.verify(), assert.AssertionError);
}

const FINE = { lost: 0, doubled: 0, strange: 0, outOfOrder: 0 };

test('a_message_that_one_observer_lacks_is_lost', () => {
  assertRefused(balance(SENT, ['a 1', 'a 3']), { ...FINE, lost: 1 });
});

test('a_message_that_one_observer_has_twice_is_doubled', () => {
  assertRefused(balance(SENT, ['a 1', 'a 2', 'a 1', 'a 3']), { ...FINE, doubled: 1 });
});

test('two_messages_that_changed_places_are_out_of_order', () => {
  const swapped = ['a 2', 'a 1', 'a 3'];
  // Wrong for its sender at both observers, though they agree.
  assertRefused(balance(swapped, swapped), { ...FINE, outOfOrder: 2 });
});

test('observers_that_disagree_about_two_senders_are_out_of_order', () => {
  const ledger = new Ledger('of a test');
  ledger.send('ada', 'a 1');
  ledger.send('bob', 'b 1');
  ledger.accept('a 1', 'b 1');
  ledger.fault('cut');
  ledger.show('ada', ['a 1', 'b 1']);
  ledger.show('bob', ['b 1', 'a 1']);
  assertRefused({ ledger, figures: ledger.balance() }, { ...FINE, outOfOrder: 1 });
});

test('a_message_that_nobody_sent_is_strange', () => {
  assertRefused(balance(SENT, [...SENT, 'a 4']), { ...FINE, strange: 1 });
});

test('a_message_whose_page_went_may_be_missing_unless_it_was_accepted', () => {
  const ledger = (...accepted) => {
    const ledger = new Ledger('of a test');
    ledger.send('ada', ...SENT);
    ledger.accept(...accepted);
    ledger.interrupt(...SENT);
    ledger.fault('reloaded');
    ledger.show('ada', ['a 1']);
    ledger.show('bob', ['a 1']);
    return { ledger, figures: ledger.balance() };
  };
  assert.doesNotThrow(() => ledger('a 1').ledger.verify());
  assertRefused(ledger('a 1', 'a 3'), { ...FINE, lost: 2 });
});

test('a_message_that_was_accepted_and_that_nobody_sent_is_strange', () => {
  const { ledger } = balance(SENT, SENT);
  ledger.accept('a 4');
  assertRefused({ ledger, figures: ledger.balance() }, { ...FINE, strange: 1 });
});

test('a_ledger_without_faults_acceptances_or_a_second_observer_shows_nothing', () => {
  const whole = () => balance(SENT, SENT).ledger;
  assert.doesNotThrow(() => whole().verify());
  const without = (leaveOut) => {
    const ledger = new Ledger('of a test');
    if (leaveOut !== 'sent') ledger.send('ada', ...SENT);
    if (leaveOut !== 'accepted') ledger.accept(...SENT);
    if (leaveOut !== 'faults') ledger.faults({ cut: 1, refused: 0 });
    ledger.show('ada', leaveOut === 'sent' ? [] : SENT);
    if (leaveOut !== 'observer') ledger.show('bob', leaveOut === 'sent' ? [] : SENT);
    return ledger;
  };
  for (const part of ['sent', 'accepted', 'faults', 'observer']) {
    assert.throws(() => without(part).verify(), assert.AssertionError, part);
  }
});
