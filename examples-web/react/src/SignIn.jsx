/** The form that asks for a name and a team. */
import { useEffect, useRef } from 'react';

export function SignIn({ visit, problem, onSignIn }) {
  const form = useRef(null);

  // The field to mend, or the first one that is empty.
  useEffect(() => {
    const { elements } = form.current;
    const wanted = elements[problem?.field] ?? (elements.name.value ? elements.enter : elements.name);
    wanted.focus();
  }, [problem]);

  const submit = (event) => {
    event.preventDefault();
    const { name, team } = Object.fromEntries(new FormData(event.target));
    onSignIn({ name, team });
  };

  return (
    <main className="sign-in">
      <form ref={form} className="card" onSubmit={submit} noValidate>
        <img src="/icon.svg" alt="" width="48" height="48" />
        <h1>Team room</h1>
        <p className="hint">Everybody who names the same team talks together.</p>
        <Field label="Your name" name="name" value={visit.name} problem={problem} autoComplete="nickname" />
        <Field label="Team" name="team" value={visit.team} problem={problem} autoComplete="organization" />
        <button name="enter" className="primary" type="submit" aria-disabled={visit.isInside}>
          {visit.isInside ? 'Entering…' : 'Enter'}
        </button>
        <p className="problem" role="alert">
          {problem && !problem.field ? problem.message : ''}
        </p>
      </form>
    </main>
  );
}

function Field({ label, name, value, problem, autoComplete }) {
  const words = problem?.field === name ? problem.message : '';
  return (
    <div className="field">
      <label htmlFor={name}>{label}</label>
      <input
        id={name}
        name={name}
        defaultValue={value}
        maxLength={40}
        autoComplete={autoComplete}
        spellCheck={false}
        aria-invalid={words !== ''}
        aria-describedby={`${name}-problem`}
      />
      <p className="problem" id={`${name}-problem`}>
        {words}
      </p>
    </div>
  );
}
