/**
 * The view before a chat: a name and a space.
 *
 * Owns the form and its problems. Whether they are good is for the server to say.
 */
export class JoinForm {
  #view;
  #button;
  #general;
  #inputs;

  /**
   * @param {HTMLElement} view
   * @param {{ onSubmit: (visit: { name: string, space: string }) => void }} handlers
   */
  constructor(view, { onSubmit }) {
    this.#view = view;
    this.#button = view.querySelector('button');
    this.#general = view.querySelector('#join-problem');
    this.#inputs = {
      name: view.querySelector('#join-name'),
      space: view.querySelector('#join-space'),
    };
    view.querySelector('form').addEventListener('submit', (event) => {
      event.preventDefault();
      if (this.#button.getAttribute('aria-disabled') === 'true') return;
      this.#clearProblems();
      onSubmit({ name: this.#inputs.name.value, space: this.#inputs.space.value });
    });
  }

  /** Shows the form, filled in with what is known. */
  show({ name, space }) {
    this.#inputs.name.value = name;
    this.#inputs.space.value = space;
    this.#clearProblems();
    this.#view.hidden = false;
    this.#inputs.name.focus();
    this.#inputs.name.select();
  }

  hide() {
    this.#view.hidden = true;
  }

  /** While the server is asked. The button stays focusable: focus must not get lost. */
  setBusy(busy) {
    this.#button.setAttribute('aria-disabled', String(busy));
    this.#button.textContent = busy ? 'Joining…' : 'Join';
  }

  /** Shows a problem beside the input it is about, and moves there. */
  showProblem({ message, field }) {
    const input = this.#inputs[field];
    if (!input) {
      this.#general.textContent = message;
      return;
    }
    input.setAttribute('aria-invalid', 'true');
    problemOf(input).textContent = message;
    input.focus();
  }

  #clearProblems() {
    this.#general.textContent = '';
    for (const input of Object.values(this.#inputs)) {
      input.removeAttribute('aria-invalid');
      problemOf(input).textContent = '';
    }
  }
}

function problemOf(input) {
  return document.getElementById(input.getAttribute('aria-describedby'));
}
