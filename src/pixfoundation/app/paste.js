// Pasting an image anywhere on the page puts it into the picture, in place of the one that is there.
() => {
  const field = () => document.querySelector("#picture input[type=file]");
  const give = (file, patience) => {
    const input = field();
    if (!input) {
      if (patience > 0) setTimeout(() => give(file, patience - 1), 50);
      return;
    }
    const transfer = new DataTransfer();
    transfer.items.add(file);
    input.files = transfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  };
  document.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find((each) => each.type.startsWith("image/"));
    if (!file) return;
    event.preventDefault();
    if (!field()) document.querySelector("#picture button[aria-label='Remove image']")?.click();
    give(file, 40);
  });
}
