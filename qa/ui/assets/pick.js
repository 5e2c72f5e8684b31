element.addEventListener("click", (event) => {
  const chip = event.target.closest("button[data-question]");
  if (chip) trigger("click", { question: chip.dataset.question });
});
