// The page: asks the server, keeps the conversation, answers to keys and clicks.
import { Turn } from "./turn.js";
import { recall, keep, forget } from "./memory.js";

const LONGEST = 400; // questions that are told to the server

export async function start(mount) {
  const asked = fetch("/start" + location.search, { headers: { accept: "application/json" } });
  await Promise.all(["palette", "page"].map(styled)); // nothing is shown before it can look as it should
  const response = await asked;
  const frame = await response.json().catch(() => null);
  if (!response.ok || !frame?.html) {
    mount.textContent = frame?.message || frame?.detail || response.statusText;
    return;
  }
  document.documentElement.lang = frame.lang;
  mount.innerHTML = frame.html;
  mount.classList.add("page");
  new Page(mount, frame).begin();
}

// Gradio adds stylesheets by script, so that they do not hold the page back as those of a document do.
function styled(name) {
  const href = `/ui/${name}.css`;
  const link = document.querySelector(`link[href="${href}"]`)
    || document.head.appendChild(Object.assign(document.createElement("link"), { rel: "stylesheet", href }));
  return link.sheet || new Promise((done) => { link.onload = link.onerror = done; });
}

class Page {
  constructor(mount, frame) {
    Object.assign(this, { mount, texts: frame.texts, frame, turns: [], running: null });
    for (const [name, selector] of Object.entries({
      list: ".turns", form: ".composer", box: ".composer textarea", status: "[role=status]", empty: ".empty",
      filters: ".filters", send: "button[type=submit].ask", stop: "[data-do=stop]", fresh: "[data-do=new]",
    })) this[name] = mount.querySelector(selector);
    this.template = mount.querySelector("template");
  }

  begin() {
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.submit(); });
    this.box.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); this.submit(); }
    });
    this.box.addEventListener("input", () => this.fit());
    this.filters.addEventListener("input", () => this.count());
    this.mount.addEventListener("click", (event) => this.click(event));
    this.mount.addEventListener("submit", (event) => this.edited(event));
    this.mount.addEventListener("keydown", (event) => {
      const chip = event.target.closest(".chip details[open]");
      if (event.key === "Escape" && chip) { chip.open = false; chip.firstElementChild.focus(); }
      else if (event.key === "Escape" && this.running) this.halt();
    });
    this.restore();
    this.offer();
    if (matchMedia("(hover: hover)").matches) this.box.focus({ preventScroll: true });
  }

  // What the tab remembers, where the address is one of its questions; else what the address asks.
  restore() {
    const here = location.pathname + location.search;
    const told = recall(this.frame.keep);
    const known = told.findIndex((turn) => turn.got?.url === this.frame.url);
    if (told.length && (here === "/" || known >= 0)) {
      for (const { asked, got } of told) this.add(asked).show(got);
      const turn = this.turns.at(known);
      requestAnimationFrame(() => turn.element.scrollIntoView());
      this.next(this.turns.at(-1));
      return;
    }
    const { question, filters, plain } = this.frame.asked;
    if (question) this.ask(this.add({ question, ...text(filters), plain }));
  }

  submit() {
    const question = this.box.value.trim();
    if (!question) { this.say(this.texts.nothing); this.box.focus(); return; }
    this.box.value = "";
    this.fit();
    this.ask(this.add({ question, ...this.chosen(), plain: false }));
  }

  chosen() {
    const value = (name) => this.form.elements[name]?.value.trim() || "";
    return { after: value("after"), before: value("before"), sources: value("source") ? [value("source")] : [] };
  }

  add(asked) {
    this.turns.push(new Turn(this.template, asked, this.turns.length + 1));
    const turn = this.turns.at(-1);
    this.list.append(turn.element);
    this.empty.hidden = true;
    this.fresh.hidden = false;
    return turn;
  }

  async ask(turn) {
    this.halt();
    this.running = new AbortController();
    const { signal } = this.running;
    turn.wait(this.texts.reading);
    this.say(this.texts.reading);
    this.busy(true);
    turn.element.scrollIntoView({ block: "start" });
    const failed = (message) => { turn.fail(message); this.say(message); };
    try {
      const history = turn.alone ? [] : this.history(turn);
      const got = await post("/turn", { ...turn.asked, history, turn: turn.number }, signal);
      if (!got.html) { failed(got.message || (got.status === 429 || got.status === 503 ? this.texts.busy : this.texts.lost)); return; }
      turn.show(got);
      this.say(turn.spoken());
      this.save();
      this.next(turn);
    } catch (error) {
      failed(error.name === "AbortError" ? this.texts.stopped : this.texts.lost);
    } finally {
      if (this.running?.signal === signal) { this.running = null; this.busy(false); }
    }
  }

  history(turn) {
    return this.turns.slice(0, this.turns.indexOf(turn)).filter((one) => one.got).slice(-12).flatMap(({ got }) => [
      { role: "user", content: got.question.slice(0, 2000) }, { role: "assistant", content: got.text.slice(0, 2000) },
    ]);
  }

  async offer() {
    const examples = this.mount.querySelector(".examples");
    if (!examples.childElementCount) examples.innerHTML = (await post("/next", {}).catch(() => ({}))).html || "";
  }

  async next(turn) {
    const asked = this.turns.map((one) => one.asked.question.slice(0, 2000)).slice(-LONGEST);
    const got = await post("/next", { cited: turn.got.cited, asked }).catch(() => ({}));
    if (got.html && this.turns.at(-1) === turn) turn.suggest(got.html);
  }

  click(event) {
    const target = event.target.closest("button");
    const turn = this.turns.find((one) => one.element.contains(event.target));
    if (!target) return;
    if (target.dataset.question) this.ask(this.add({ question: target.dataset.question, ...this.chosen(), plain: false }));
    else if (target.dataset.remove) this.again(turn, turn.without(target.dataset));
    else if (target.classList.contains("bar")) this.again(turn, turn.within(target));
    else this[{ new: "clear", stop: "halt", clear: "unset", copy: "copy", link: "link", evidence: "evidence", again: "again", edit: "rephrase" }[target.dataset.do]]?.(turn, target);
  }

  edited(event) {
    if (event.target.matches("form.feedback")) { event.preventDefault(); this.feedback(event.target); return; }
    const form = event.target.closest("form.edit");
    if (!form) return;
    event.preventDefault();
    const turn = this.turns.find((one) => one.element.contains(form));
    this.again(turn, turn.edited(form));
  }

  async feedback(form) {
    const turn = this.turns.find((one) => one.element.contains(form));
    const said = { verdict: new FormData(form).get(`verdict-${turn.number}`), article: form.elements.article.value, quote: form.elements.quote.value, consent: form.elements.consent.checked };
    const asking = { ...turn.asked, history: turn.alone ? [] : this.history(turn), turn: turn.number };
    const got = await post("/feedback", { asking, said }).catch(() => ({}));
    form.querySelector(".told").textContent = got.message || this.texts.lost;
    if (!got.status && got.message) form.querySelector("button").disabled = true;
  }

  // Asks the same turn again, with what was changed about it.
  again(turn, change = {}) {
    if (change instanceof Element) change = {};
    if (change.question === "") return;
    if ("alone" in change) turn.alone = change.alone;
    delete change.alone;
    Object.assign(turn.asked, change);
    for (const name of ["after", "before"]) if (change[name] === "" && this.form.elements[name]) this.form.elements[name].value = "";
    if (change.sources?.length === 0 && this.form.elements.source) this.form.elements.source.value = "";
    this.count();
    this.box.focus({ preventScroll: true });
    this.ask(turn);
  }

  rephrase(turn) {
    this.box.value = turn.asked.question;
    this.fit();
    this.box.focus();
    this.box.select();
  }

  async copy(turn, button) { await put(turn.got.copy, button, this.texts.copied); this.say(this.texts.copied); }

  async link(turn, button) {
    await put(new URL(turn.got.url, location.href).href, button, this.texts.link_copied);
    this.say(this.texts.link_copied);
  }

  // The same question again, as a file: the server answers it the same way.
  async evidence(turn) {
    const body = { ...turn.asked, history: turn.alone ? [] : this.history(turn), turn: turn.number };
    const response = await send("/evidence", body).catch(() => null);
    turn.element.querySelector(".actions + .notice")?.remove();
    if (!response?.ok) {
      const why = (response && response.status !== 500 && await response.text()) || this.texts.lost;
      turn.element.querySelector(".actions").after(Object.assign(document.createElement("p"), { className: "notice", textContent: why }));
      this.say(why);
      return;
    }
    const url = URL.createObjectURL(await response.blob());
    Object.assign(document.createElement("a"), { href: url, download: "evidence.html" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
  }

  unset() {
    for (const name of ["after", "before", "source"]) if (this.form.elements[name]) this.form.elements[name].value = "";
    this.count();
  }

  clear() {
    this.halt();
    this.turns = [];
    this.list.replaceChildren();
    forget();
    this.unset();
    this.empty.hidden = false;
    this.fresh.hidden = true;
    history.replaceState(null, "", "/");
    scrollTo(0, 0);
    this.box.focus();
  }

  save() {
    const url = this.turns.filter((turn) => turn.got).at(-1)?.got.url;
    if (url) history.replaceState(null, "", url);
    keep(this.turns.filter((turn) => turn.got).map(({ asked, got }) => ({ asked, got })), this.frame.keep);
  }

  halt() { this.running?.abort(); }
  say(words) { this.status.textContent = words; }
  count() { const { after, before, sources } = this.chosen(); const n = [after, before, ...sources].filter(Boolean).length; this.filters.querySelector(".set").textContent = n ? ` (${n})` : ""; }
  busy(on) { this.send.hidden = on; this.stop.hidden = !on; this.list.ariaBusy = String(on); }
  fit() { // one line keeps the height it has from the stylesheet
    this.box.style.height = "";
    if (this.box.scrollHeight > this.box.clientHeight) this.box.style.height = Math.min(this.box.scrollHeight + 2, 180) + "px";
  }
}

const send = (address, body, signal) => fetch(address, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), signal });

async function post(address, body, signal) {
  const response = await send(address, body, signal);
  const got = await response.json().catch(() => ({}));
  return response.ok ? got : { message: typeof got.message === "string" ? got.message : "", status: response.status };
}

async function put(words, button, done) {
  if (navigator.clipboard) await navigator.clipboard.writeText(words);
  else { // a page that is not served over https has no clipboard of its own
    const area = document.body.appendChild(Object.assign(document.createElement("textarea"), { value: words }));
    area.select();
    document.execCommand("copy");
    area.remove();
    button.focus();
  }
  const label = button.textContent;
  if (label === done) return;
  button.style.minWidth = button.offsetWidth + "px";
  button.textContent = done;
  setTimeout(() => { button.textContent = label; }, 1600);
}

const text = (filters) => ({ after: filters.after || "", before: filters.before || "", sources: filters.sources || [] });
