/** @file The page's only script: shows the gallery's controls and obeys them. Text goes in and out of it as text alone. */

export const galleryScript = `(() => {
  const byId = (id) => document.getElementById(id);
  const cards = byId("gallery-cards");
  const controls = byId("gallery-controls");
  if (!cards || !controls) return;
  const all = [...cards.children];
  const category = byId("gallery-category");
  const outcome = byId("gallery-outcome");
  const order = byId("gallery-order");
  const place = (card) => Number(card.dataset.place);
  const gain = (card) => Number(card.dataset.gain);
  const update = () => {
    let shown = 0;
    for (const card of all) {
      card.hidden =
        (category.value !== "" && card.dataset.category !== category.value) ||
        (outcome.value !== "" && card.dataset.outcome !== outcome.value);
      if (!card.hidden) shown++;
    }
    const byLoss = order.value === "loss";
    cards.append(...all.sort((a, b) => (byLoss && gain(a) - gain(b)) || place(a) - place(b)));
    byId("gallery-shown").value = shown + " of " + all.length + " shown";
  };
  controls.addEventListener("change", update);
  controls.hidden = false;
  update();
})();`;
