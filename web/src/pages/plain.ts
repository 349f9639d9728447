/** All pages but the room: the theme's button, copy buttons, and questions before what can't be undone. */
import { copyText } from "../copy";
import { reachIfScrolling } from "../dom";
import { timeOfDay, useStrings } from "../strings";
import { themeButton } from "../theme";

const words = document.getElementById("strings")?.textContent;
useStrings(words ? (JSON.parse(words) as Record<string, string>) : {}, document.documentElement.lang);

const toggle = document.getElementById("theme");
if (toggle) themeButton(toggle);

for (const copy of document.querySelectorAll<HTMLButtonElement>("button[data-copy]")) {
  copy.addEventListener("click", () => void copyText(copy, copy.dataset["copy"] ?? ""));
}

for (const form of document.querySelectorAll<HTMLFormElement>("form[data-confirm]")) {
  form.addEventListener("submit", (event) => {
    if (!window.confirm(form.dataset["confirm"])) event.preventDefault();
  });
}

/** Problems are used in the order in which they were chosen; the hidden fields follow the clicks. */
const order: string[] = [];
for (const box of document.querySelectorAll<HTMLInputElement>("input[data-order]")) {
  box.addEventListener("change", () => {
    const at = order.indexOf(box.value);
    if (at >= 0) order.splice(at, 1);
    if (box.checked) order.push(box.value);
    showOrder();
  });
}

function showOrder(): void {
  for (const box of document.querySelectorAll<HTMLInputElement>("input[data-order]")) {
    const place = box.closest("label")?.querySelector("[data-place]");
    const at = order.indexOf(box.value);
    if (place) place.textContent = at < 0 ? "" : String(at + 1);
  }
  const list = document.getElementById("problem-order");
  if (!list) return;
  const fields = order.map((slug) => {
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = "problems";
    field.value = slug;
    return field;
  });
  list.replaceChildren(...fields);
}

for (const form of document.querySelectorAll<HTMLFormElement>("form[data-new-interview]")) {
  // With scripts the hidden fields carry the order; without, the boxes themselves are sent.
  form.addEventListener("submit", () => {
    const boxes = form.querySelectorAll<HTMLInputElement>("input[data-order]");
    boxes.forEach((box) => (box.disabled = order.length > 0));
  });
}

const moments = new Intl.DateTimeFormat(document.documentElement.lang, {
  dateStyle: "medium",
  timeStyle: "short",
});
for (const time of document.querySelectorAll<HTMLTimeElement>("time[data-time]")) {
  const at = new Date(Number(time.dataset["time"]));
  time.dateTime = at.toISOString();
  time.textContent = time.dataset["only"] === "hour" ? timeOfDay(at.getTime()) : moments.format(at);
}

reachIfScrolling(document.querySelectorAll("pre"));
