(question, after, before, sources) => {
  // The address follows the question, so that reload, Back and an article's way back restore it.
  const params = new URLSearchParams(location.search);
  ["q", "after", "before", "source"].forEach((name) => params.delete(name));
  const asked = (question || "").trim();
  if (asked && asked.length <= 2000) {
    params.set("q", asked);
    if (after) params.set("after", after);
    if (before) params.set("before", before);
    (sources || []).forEach((source) => params.append("source", source));
  }
  history.replaceState(history.state, "", params.size ? "?" + params : location.pathname);
  return [question, after, before, sources];
}
