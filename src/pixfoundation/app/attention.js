// Runs once, when the page is built; listens on the component, since its content is replaced by every answer.
const show = (index) => {
  const token = element.querySelector(`.token[data-token="${index}"]`);
  if (!token) return;
  const slider = element.querySelector(".token-slider");
  const word = token.classList.contains("silent") ? "nothing visible" : `“${token.textContent.trim()}”`;
  const text = `Token ${index + 1} of ${Number(slider.max) + 1} writes ${word}`;
  element.querySelectorAll(".token.current").forEach((other) => other.classList.remove("current"));
  token.classList.add("current");
  slider.value = index;
  slider.setAttribute("aria-valuetext", text);
  element.querySelector(".now").textContent = text;
  element.querySelector(".heat").src = token.dataset.heat;
};
const shown = () => {
  const slider = element.querySelector(".token-slider");
  if (slider) show(Number(slider.value));
};
element.addEventListener("input", (event) => {
  if (event.target.matches(".token-slider")) shown();
});
for (const kind of ["click", "pointerover"]) {
  element.addEventListener(kind, (event) => {
    const token = event.target.closest(".token");
    if (token) show(Number(token.dataset.token));
  });
}
watch("value", shown);
shown();
