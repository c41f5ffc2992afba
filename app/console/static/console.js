/* What pages do by themselves: keep what is typed, keep the lease while the page is in use, count down,
   and shortcuts. Everything else works without scripts. No data from outside ever becomes markup here:
   texts are set as text, and parts of pages come from our own server, escaped. */
"use strict";
(() => {
  const USED_WITHIN = 3 * 60_000; // a page counts as used for so long after the last key or pointer
  const DRAFTS = "hitl-draft:";
  // Several people may share a browser: nobody is given what somebody else typed.
  const DRAFT = `${DRAFTS}${encodeURIComponent(document.body.dataset.who ?? "")}:`;
  const DRAFT_AGE = 7 * 24 * 3_600_000;
  const SHORTCUTS = "hitl-shortcuts";
  let lastUsed = Date.now();
  let lost = false;

  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const csrf = () => one('meta[name="csrf-token"]')?.content ?? "";

  const say = (text) => {
    const line = one("#announce");
    if (line) line.textContent = text;
  };

  // --- storage that may be full or forbidden ----------------------------------------------------------
  const store = {
    get(key) { try { return localStorage.getItem(key); } catch { return null; } },
    set(key, value) { try { localStorage.setItem(key, value); return true; } catch { return false; } },
    remove(key) { try { localStorage.removeItem(key); } catch { /* nothing to forget */ } },
    keys() { try { return Object.keys(localStorage); } catch { return []; } },
  };

  // --- drafts: what is typed is kept until it has arrived -----------------------------------------------
  const own = new Set(["csrf_token", "epoch", "digest", "confirmed"]);

  const fieldsOf = (form) => [...form.elements].filter((field) => field.name && !own.has(field.name) && field.type !== "submit");

  const saveDraft = (form) => {
    const fields = fieldsOf(form).filter((field) => !["radio", "checkbox"].includes(field.type) || field.checked);
    const values = fields.map((field) => [field.name, field.value]);
    store.set(DRAFT + form.dataset.keep, JSON.stringify({ at: Date.now(), values }));
  };

  const fill = (form, values) => {
    for (const field of fieldsOf(form)) {
      const kept = values.filter(([name]) => name === field.name).map(([, value]) => value);
      if (["radio", "checkbox"].includes(field.type)) field.checked = kept.includes(field.value);
      else if (kept.length && field.value !== kept[0]) field.value = kept[0];
      if (field.closest("details") && kept.some((value) => value) && field.tagName === "TEXTAREA") field.closest("details").open = true;
    }
  };

  const read = (key) => { try { return JSON.parse(store.get(key)); } catch { return null; } };

  const restoreDraft = (form) => {
    const draft = read(DRAFT + form.dataset.keep);
    // What the server gave back is newer than what was kept.
    if (!draft || one("#mistakes") || fieldsOf(form).some((field) => field.tagName === "TEXTAREA" && field.value)) return;
    fill(form, draft.values);
    if (draft.values.some(([name, value]) => value && name !== "action" && !name.startsWith("change."))) say("What you had typed is back in the form.");
  };

  const offerOlder = (form) => {
    const [review, digest] = form.dataset.keep.split(":");
    if (!/^[0-9a-f]{64}$/.test(digest ?? "")) return;
    const older = store.keys().find((key) => key.startsWith(`${DRAFT}${review}:`) && /:[0-9a-f]{64}$/.test(key) && key !== DRAFT + form.dataset.keep);
    const draft = older && read(older);
    if (!draft) return;
    const box = document.createElement("div");
    box.className = "note warn";
    const text = document.createElement("p");
    text.textContent = "The case has changed since you began to answer it. What you had typed is kept.";
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Put my text into the form";
    button.addEventListener("click", () => { fill(form, draft.values); store.remove(older); saveDraft(form); box.remove(); });
    box.append(text, button);
    form.prepend(box);
  };

  const forget = (prefix) => store.keys().filter((key) => key.startsWith(DRAFT + prefix)).forEach((key) => store.remove(key));

  const forgetOld = () => store.keys().filter((key) => key.startsWith(DRAFTS)).forEach((key) => {
    const draft = read(key);
    if (!draft || Date.now() - draft.at > DRAFT_AGE) store.remove(key);
  });

  // --- sending: an outage or a refusal leaves the form as it is -----------------------------------------
  const warn = (heading, text, link) => {
    const hold = one("#hold") ?? one("main");
    one("#trouble")?.remove();
    const box = document.createElement("div");
    box.id = "trouble";
    box.className = "note bad";
    box.setAttribute("role", "alert");
    box.tabIndex = -1;
    const title = document.createElement("h2");
    title.textContent = `⚠ ${heading}`;
    const line = document.createElement("p");
    line.textContent = text;
    box.append(title, line);
    if (link) {
      const anchor = document.createElement("a");
      anchor.href = link.href;
      anchor.textContent = link.text;
      anchor.target = "_blank";
      anchor.rel = "noopener";
      box.append(anchor);
    }
    hold.prepend(box);
    box.focus();
    box.scrollIntoView({ block: "nearest" });
  };

  const parse = (html) => new DOMParser().parseFromString(html, "text/html");

  const replaceHold = (page) => {
    const fresh = one("#hold", page);
    const here = one("#hold");
    if (!fresh || !here) return false;
    here.replaceChildren(...[...fresh.childNodes].map((node) => document.importNode(node, true)));
    return true;
  };

  const replaceMain = (page) => {
    const fresh = document.importNode(one("main", page), true);
    one("main").replaceWith(fresh);
    window.htmx?.process(fresh);
    begin(fresh);
  };

  const arrived = async (form, answer) => {
    const page = parse(await answer.text());
    if (answer.status === 401) {
      warn("You are signed out", "Your text is kept here. Sign in again in another tab, then come back and submit.", { href: "/sign-in", text: "Sign in (opens in a new tab)" });
    } else if (answer.status >= 500 || answer.status === 429) {
      warn("Your answer has not arrived", "The desk can not take it right now. Your text is kept here; try again in a moment.");
    } else if (answer.status === 409 && one("#hold .note.bad", page)) {
      lost = true;
      replaceHold(page); // the form and what is in it stay
      const box = one("#hold .note.bad");
      box.tabIndex = -1;
      box.focus();
    } else if (one("main", page)) {
      replaceMain(page);
    }
  };

  const send = async (form, submitter) => {
    saveDraft(form);
    form.setAttribute("aria-busy", "true");
    if (submitter) submitter.disabled = true;
    try {
      const answer = await fetch(form.getAttribute("action"), { method: "POST", body: new URLSearchParams(new FormData(form)), headers: { accept: "text/html", "hx-request": "true" }, credentials: "same-origin" });
      if (answer.ok && answer.redirected) {
        if (new URL(answer.url).pathname.startsWith("/sign-in")) { await arrived(form, new Response("", { status: 401 })); return; }
        store.remove(DRAFT + form.dataset.keep);
        location.assign(answer.url);
        return;
      }
      one("#trouble")?.remove();
      await arrived(form, answer);
    } catch {
      warn("The desk can not be reached", "Your text is kept in this browser, also if you close the page. Try again in a moment.");
    } finally {
      form.removeAttribute("aria-busy");
      if (submitter) submitter.disabled = false;
    }
  };

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("form[data-keep]")) return;
    event.preventDefault();
    if (form.getAttribute("aria-busy") !== "true") send(form, event.submitter);
  });

  document.addEventListener("input", (event) => {
    const form = event.target.closest?.("form[data-keep]");
    if (form) saveDraft(form);
  });

  // --- the lease lasts while the page is in use ---------------------------------------------------------
  ["keydown", "pointerdown", "pointermove", "scroll", "input"].forEach((name) =>
    document.addEventListener(name, () => { lastUsed = Date.now(); }, { passive: true, capture: true }));

  const beat = async () => {
    const hold = one("#hold");
    if (!hold || hold.dataset.holding !== "yes" || lost || Date.now() - lastUsed > USED_WITHIN) return;
    try {
      const answer = await fetch(`/reviews/${encodeURIComponent(hold.dataset.review)}/heartbeat`, {
        method: "POST", credentials: "same-origin",
        headers: { "x-csrf-token": csrf(), accept: "text/html", "hx-request": "true" },
        body: new URLSearchParams({ epoch: hold.dataset.epoch }),
      });
      if (answer.status === 401) { lost = true; await arrived(null, answer); return; }
      if (answer.status !== 200 && answer.status !== 409) return; // an outage: the next beat may do
      const page = parse(`<div id="hold">${await answer.text()}</div>`);
      if (answer.status === 409) lost = true;
      replaceHold(page);
      tick();
    } catch { /* an outage: the next beat may do */ }
  };

  // A page that another site opened counts as read when somebody is there, not before.
  const tellSeen = () => {
    const hold = one("#hold[data-unseen]");
    if (!hold) return;
    const signs = ["keydown", "pointermove", "pointerdown", "scroll"];
    const seen = () => {
      signs.forEach((name) => document.removeEventListener(name, seen, true));
      fetch(`/reviews/${encodeURIComponent(hold.dataset.review)}/seen`, { method: "POST", credentials: "same-origin", headers: { "x-csrf-token": csrf(), accept: "text/html", "hx-request": "true" } }).catch(() => { /* an outage */ });
    };
    signs.forEach((name) => document.addEventListener(name, seen, { passive: true, capture: true }));
  };

  const beating = () => {
    const hold = one("#hold");
    const lease = Number(hold?.dataset.leaseMs);
    if (lease) setInterval(beat, Math.max(1_000, Math.min(60_000, lease / 4)));
  };

  // --- counting down, in the words that the server uses -------------------------------------------------
  const units = [[86_400_000, "day"], [3_600_000, "hour"], [60_000, "minute"], [1_000, "second"]];

  const spoken = (milliseconds) => {
    let rest = Math.abs(milliseconds);
    if (rest >= 60_000) rest -= rest % 60_000;
    const said = [];
    for (const [size, name] of units) {
      const count = Math.floor(rest / size);
      rest -= count * size;
      if (count) said.push(`${count} ${name}${count === 1 ? "" : "s"}`);
      if (said.length === 2) break;
    }
    return said.join(" ") || "0 seconds";
  };

  // Deadlines are the server's: its clock counts, whatever this machine believes.
  const ahead = Number(one("meta[name=server-now]")?.content || Date.now()) - Date.now();

  const tick = () => {
    const now = Date.now() + ahead;
    for (const mark of all("[data-until]")) {
      const left = Number(mark.dataset.until) - now;
      const risk = mark.dataset.riskFrom && now >= Number(mark.dataset.riskFrom);
      const [icon, text] = mark.children;
      mark.classList.toggle("bad", left <= 0);
      mark.classList.toggle("warn", left > 0 && Boolean(risk));
      icon.textContent = left <= 0 ? "⚠" : risk ? "◔" : "○";
      text.textContent = left <= 0 ? `late by ${spoken(left)}` : `${risk ? "At risk: " : ""}${spoken(left)} left`;
    }
    for (const mark of all("[data-left-until]")) mark.textContent = spoken(Math.max(0, Number(mark.dataset.leftUntil) - now));
  };

  const localTimes = (root) => {
    for (const time of all("time[data-moment]", root)) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      time.title = time.dateTime;
      time.textContent = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
    }
  };

  // --- shortcuts: single keys, outside of fields, and only while they are switched on --------------------
  const shortcutsOn = () => store.get(SHORTCUTS) !== "off";

  const keys = {
    n: () => one("#take-next")?.click(),
    h: () => location.assign("/"),
    w: () => one("#reasoning")?.focus(),
    "?": () => { const help = one("#shortcuts"); if (help?.showModal) help.showModal(); else location.assign("/help"); },
  };

  document.addEventListener("keydown", (event) => {
    const form = one("#answer");
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && form?.contains(event.target)) {
      event.preventDefault();
      form.requestSubmit();
      return;
    }
    const typing = event.target.matches?.("input:not([type=radio]):not([type=checkbox]), textarea, select, [contenteditable]");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat || one("dialog[open]") || !shortcutsOn()) return;
    if (/^[1-9]$/.test(event.key)) {
      const choice = one(`#action-${event.key}`);
      if (choice) { event.preventDefault(); choice.click(); choice.focus(); }
    } else if (keys[event.key]) {
      event.preventDefault();
      keys[event.key]();
    }
  });

  document.addEventListener("change", (event) => {
    if (event.target.matches?.("[data-shortcuts]")) store.set(SHORTCUTS, event.target.checked ? "on" : "off");
    if (event.target.matches?.("input[type=range]")) showRange(event.target);
  });
  document.addEventListener("input", (event) => { if (event.target.matches?.("input[type=range]")) showRange(event.target); });
  const showRange = (range) => { const out = one(`output[for="${CSS.escape(range.id)}"]`); if (out) out.value = `${range.value} ${range.dataset.unit ?? ""}`; };

  // --- what a page, or a new part of it, begins with ----------------------------------------------------
  const begin = (root) => {
    all("form[data-keep]", root).forEach((form) => { restoreDraft(form); offerOlder(form); });
    all("[data-forget]", root).forEach((box) => forget(`${box.dataset.forget}:`));
    all("[data-shortcuts]", root).forEach((box) => { box.checked = shortcutsOn(); });
    all("input[type=range]", root).forEach(showRange);
    localTimes(root);
    tick();
    const first = one("[data-focus]", root);
    if (first) first.focus();
  };

  forgetOld();
  begin(document);
  beating();
  tellSeen();
  setInterval(tick, 15_000);

  // --- the list follows the queue, at most every few seconds, and only while somebody can see it ----------
  const REFRESH = 3_000;
  let refreshed = Date.now();
  let waiting = 0;
  const refresh = () => { const live = one("#live"); if (live) window.htmx?.trigger(live, "desk:refresh"); };
  const refreshIn = (time) => { waiting ||= setTimeout(() => { waiting = 0; refresh(); }, time); };

  document.body.addEventListener("htmx:beforeRequest", (event) => {
    if (event.target.id !== "live") return;
    const early = refreshed + REFRESH - Date.now();
    if (document.hidden || early > 0) {
      event.preventDefault();
      refreshIn(document.hidden ? REFRESH : early);
    } else {
      refreshed = Date.now();
    }
  });
  setInterval(refresh, 60_000);
  document.body.addEventListener("htmx:afterSwap", (event) => { localTimes(event.target); tick(); });
  document.body.addEventListener("htmx:responseError", (event) => {
    // Nobody is signed in any more: a list that no longer follows must not look as if it did.
    if (event.detail.xhr.status === 401 && event.detail.target?.id === "live") location.reload();
  });
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    // Somebody is choosing a filter: do not pull it away.
    if (event.target.id === "live" && event.target.contains(document.activeElement) && document.activeElement.matches("select, input")) event.detail.shouldSwap = false;
  });
})();
