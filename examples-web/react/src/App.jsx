/** Who is signed in, and what is seen then. */
import { useEffect, useState } from 'react';
import { forgetVisit, rememberedVisit, rememberVisit } from './memory.js';
import { SignIn } from './SignIn.jsx';
import { openSession } from './session.js';
import { TeamRoom } from './TeamRoom.jsx';

export function App() {
  const [session, setSession] = useState();
  const [visit, setVisit] = useState(rememberedVisit);
  const [problem, setProblem] = useState();

  // A reload comes back to where it was.
  useEffect(() => {
    if (!visit.isInside) return undefined;
    let isOver = false;
    const enter = async () => {
      try {
        const opened = await openSession(visit);
        if (!isOver) setSession(opened);
      } catch (error) {
        if (isOver) return;
        setProblem(error);
        setVisit({ ...visit, isInside: false });
      }
    };
    enter();
    return () => {
      isOver = true;
    };
  }, [visit]);

  const signIn = ({ name, team }) => {
    setProblem(undefined);
    rememberVisit({ name, team });
    setVisit({ name, team, isInside: true });
  };
  const signOut = () => {
    forgetVisit();
    setSession(undefined);
    setVisit({ ...visit, isInside: false });
  };

  if (session) return <TeamRoom session={session} onSignOut={signOut} />;
  return <SignIn visit={visit} problem={problem} onSignIn={signIn} />;
}
