// One question and its answer: what was asked, what came back, and the links between [2] and card 2.
export class Turn {
  constructor(template, asked, number) {
    Object.assign(this, { template, asked, number, got: null, alone: false });
    this.element = Object.assign(document.createElement("li"), { className: "turn", id: `turn-${number}` });
    for (const [type, on] of [["pointerover", true], ["focusin", true], ["pointerout", false], ["focusout", false]])
      this.element.addEventListener(type, (event) => this.light(event.target.closest("[data-n]"), on));
    this.element.addEventListener("keydown", (event) => this.step(event));
  }

  blank(words) {
    this.element.replaceChildren(this.template.content.cloneNode(true));
    this.element.querySelector("h2 bdi").textContent = this.asked.question;
    this.element.querySelector(".message").textContent = words;
  }

  // The sources of an answer that is asked for again stay until the new ones are there: nothing jumps.
  wait(words) {
    if (this.got) this.element.classList.add("waiting");
    else { this.blank(words); this.element.classList.add("reading"); }
  }

  show(got) {
    this.got = got;
    this.element.classList.remove("reading", "waiting");
    this.element.innerHTML = got.html;
    this.element.querySelector(".bar[data-after]")?.setAttribute("tabindex", "0");
    this.element.querySelectorAll(".bar[data-after] ~ .bar, li + li .bar[data-after]").forEach((bar) => { bar.tabIndex = -1; });
    const first = this.element.querySelector(".bar[data-after]");
    if (first) first.tabIndex = 0;
  }

  fail(message) {
    this.element.classList.remove("reading", "waiting");
    this.got = null;
    this.blank(message);
    this.element.classList.add("failed");
  }

  suggest(html) { const next = this.element.querySelector(".next"); if (next) next.innerHTML = html; }
  spoken() { return this.element.querySelector(".answer")?.innerText || ""; }

  light(at, on) {
    if (!at) return;
    this.element.querySelectorAll(`[data-n="${at.dataset.n}"]`).forEach((one) => one.classList.toggle("lit", on));
  }

  // Arrow keys walk the bars: one stop of the Tab key for all of them.
  step(event) {
    const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const bars = [...this.element.querySelectorAll("button.bar")];
    const at = bars.indexOf(event.target);
    if (!move || at < 0) return;
    event.preventDefault();
    const to = bars[Math.min(Math.max(at + move, 0), bars.length - 1)];
    bars.forEach((bar) => { bar.tabIndex = bar === to ? 0 : -1; });
    to.focus();
  }

  // Once a chip is touched, the filters are what the chips say; the question's own words are no longer read for them.
  settled(change) {
    const { after, before, sources } = this.got?.filters || this.asked;
    return { after: after || "", before: before || "", sources: [...(sources || [])], plain: true, ...change };
  }

  without({ remove, value }) {
    if (remove === "subject") return { alone: true };
    if (remove === "dates") return this.settled({ after: "", before: "" });
    const rest = this.settled({});
    return { ...rest, sources: rest.sources.filter((name) => name !== value) };
  }

  within(bar) {
    const chosen = bar.ariaPressed === "true";
    return this.settled({ after: chosen ? "" : bar.dataset.after, before: chosen ? "" : bar.dataset.before });
  }

  edited(form) {
    const value = (name) => form.elements[name]?.value.trim() || "";
    if (form.dataset.edit === "subject") return { ...this.settled({}), question: value("question"), alone: true };
    if (form.dataset.edit === "dates") return this.settled({ after: value("after"), before: value("before") });
    const rest = this.settled({});
    const name = value("source");
    return { ...rest, sources: rest.sources.map((one) => (one === form.dataset.value ? name : one)).filter(Boolean) };
  }
}
