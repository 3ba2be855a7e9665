/**
 * Entry: which of the page's two views is shown, and how one leads to the other.
 *
 * Owns joining and leaving. What happens inside a view is the view's own business.
 */
import { Conversation } from './conversation.js';
import { JoinForm } from './join-form.js';
import { isJoined, rememberedVisit, rememberJoined, rememberVisit } from './memory.js';
import { openSession, SessionProblem } from './session.js';

const chatElement = document.getElementById('chat');
const joinForm = new JoinForm(document.getElementById('join'), { onSubmit: join });

/** The conversation that is open. */
let conversation;

async function join(visit) {
  joinForm.setBusy(true);
  try {
    const session = await openSession(visit);
    rememberVisit({ name: session.name, space: session.spaceId });
    rememberJoined(true);
    // A reload comes back here, and the address can be passed on.
    history.replaceState(null, '', `?${new URLSearchParams({ space: session.spaceId })}`);
    showChat(session);
  } catch (error) {
    if (!(error instanceof SessionProblem)) throw error;
    showJoin();
    joinForm.showProblem(error);
  } finally {
    joinForm.setBusy(false);
  }
}

function showChat(session) {
  joinForm.hide();
  chatElement.hidden = false;
  document.title = `${session.spaceId} · Kuratchi Spaces`;
  conversation = new Conversation(chatElement, session, { onLeave: leave });
  conversation.start();
}

function leave() {
  conversation?.end();
  conversation = undefined;
  rememberJoined(false);
  chatElement.hidden = true;
  document.title = 'Kuratchi Spaces';
  showJoin();
}

function showJoin() {
  joinForm.show(rememberedVisit());
}

// A page that goes to the back-forward cache must hold no socket; one that comes back takes up where it was.
addEventListener('pagehide', () => conversation?.pause());
addEventListener('pageshow', (event) => {
  if (event.persisted) conversation?.resume();
});

const visit = rememberedVisit();
if (isJoined() && visit.name) {
  join(visit);
} else {
  showJoin();
}
