// Who one is here: a server that can be reached from elsewhere asks for a token, once.
import { html, useEffect, useState } from "./html.js";
import { ProblemNote } from "./parts.js";
import { get, request, UNAUTHORIZED } from "./rest.js";
import { useTitle } from "./route.js";

const OPEN = { login_required: false, role: "operate" };

// { session, isKnown }; a server without logins lets everyone do everything.
export function useSession() {
  const [state, setState] = useState({ session: OPEN, isKnown: false });
  useEffect(() => {
    get("/session").then((session) => setState({ session, isKnown: true }), () => setState({ session: OPEN, isKnown: true }));
    const ended = () => setState({ session: { login_required: true, role: null }, isKnown: true });
    addEventListener(UNAUTHORIZED, ended);
    return () => removeEventListener(UNAUTHORIZED, ended);
  }, []);
  return state;
}

export const mayOperate = (session) => !session.login_required || session.role === "operate";

export function LogOut({ session }) {
  if (!session?.login_required) return null;
  const logOut = () => request("POST", "/logout").finally(() => location.reload());
  return html`<button class="quiet" onClick=${logOut} title=${`${session.name ?? ""}, may ${session.role}`}>Log out</button>`;
}

export function Login() {
  const [problem, setProblem] = useState(null);
  const [isSending, setSending] = useState(false);
  useTitle("Log in");
  const submit = async (event) => {
    event.preventDefault();
    setSending(true);
    try {
      await request("POST", "/login", { token: new FormData(event.target).get("token").trim() });
      location.reload();
    } catch (refused) {
      setProblem(refused);
      setSending(false);
    }
  };
  return html`<main id="main" class="login" tabindex="-1">
    <form class="panel" onSubmit=${submit}>
      <h1><img src="/static/icon.svg" alt="" width="28" height="28" />Headwater</h1>
      <p class="dim">This server can be reached from other machines, so it asks for a token. It was printed when the server was first started.</p>
      <label class="field"><span>Token</span>
        <input name="token" type="password" autocomplete="current-password" required autofocus spellcheck="false" /></label>
      ${problem && html`<${ProblemNote} problem=${problem} />`}
      <button class="primary" disabled=${isSending}>Log in</button>
    </form>
  </main>`;
}
