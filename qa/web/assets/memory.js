// Where a conversation is kept: in its tab, or, where the operator allows it, in the browser.
const NAME = "archive-conversation";
const MOST = 40;

export function recall(lasting) {
  try {
    const told = JSON.parse(store(lasting).getItem(NAME) || "[]");
    return Array.isArray(told) ? told.filter((turn) => turn?.asked && turn?.got?.html) : [];
  } catch { return []; }
}

export function keep(turns, lasting) {
  try { store(lasting).setItem(NAME, JSON.stringify(turns.slice(-MOST))); } catch { forget(); }
}

export function forget() {
  for (const one of [() => sessionStorage, () => localStorage]) try { one().removeItem(NAME); } catch { /* storage is off */ }
}

const store = (lasting) => (lasting ? localStorage : sessionStorage);
