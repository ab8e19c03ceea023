// What the page asks the server, and the stream of what is new.

export class Failed extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

let onLogin = () => {};

/** Call this when the server asks for the token. */
export function whenTokenIsNeeded(action) {
  onLogin = action;
}

export async function ask(path, method = "GET", body = undefined) {
  const options = { method, headers: {}, credentials: "same-origin" };
  if (method !== "GET") {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body ?? {});
  }
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Failed(0, "the server does not answer");
  }
  if (answer.status === 401 && path !== "/api/login") onLogin();
  if (!answer.ok) {
    const said = await answer.json().catch(() => ({}));
    throw new Failed(answer.status, said.error || `the server answered ${answer.status}`);
  }
  return answer;
}

export async function askJson(path, method = "GET", body = undefined) {
  return (await ask(path, method, body)).json();
}

/**
 * Follow the server. A page that nobody looks at asks for the state every few seconds instead, which leaves the
 * browser's few connections to those that are looked at.
 */
export class Follower {
  constructor(take, linked) {
    this.take = take;
    this.linked = linked;
    this.source = null;
    this.timer = null;
    document.addEventListener("visibilitychange", () => this.begin());
  }

  begin() {
    this.stop();
    if (document.hidden) {
      this.poll();
      return;
    }
    this.source = new EventSource("/api/stream");
    this.source.addEventListener("open", () => this.linked(true));
    this.source.addEventListener("error", () => {
      this.linked(false);
      if (this.source && this.source.readyState === EventSource.CLOSED) this.again();
    });
    for (const name of ["people", "desk"]) {
      this.source.addEventListener(name, (event) => this.take(name, JSON.parse(event.data)));
    }
  }

  /** The stream was refused: see why, and try again. */
  again() {
    this.stop();
    this.timer = setTimeout(async () => {
      try {
        await ask("/api/health");
        this.begin();
      } catch (error) {
        if (error.status !== 401) this.again();
      }
    }, 3000);
  }

  async poll() {
    try {
      const { people, ...desk } = await askJson("/api/state");
      this.linked(true);
      this.take("people", people);
      this.take("desk", desk);
    } catch {
      this.linked(false);
    }
    if (document.hidden && !this.source) this.timer = setTimeout(() => this.poll(), 4000);
  }

  stop() {
    clearTimeout(this.timer);
    if (this.source) this.source.close();
    this.source = null;
  }
}
