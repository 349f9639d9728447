/** Text that could not be put back by itself is offered, never dropped. */
import { announce } from "./announce";
import { button, byId, el } from "./dom";
import { copyText } from "./copy";
import { t } from "./strings";

/** Show `text` of `doc` with a way to copy it; `why` says what happened. */
export function offerRecovered(doc: string, text: string, why: string): void {
  const panel = byId("recovered");
  const body = el("pre", { tabindex: "0", class: "recovered-text" }, text);
  const item = el(
    "article",
    { class: "recovered-item" },
    el("h3", {}, t("Recovered text from {doc}", { doc })),
    el("p", {}, why),
    body,
  );
  const copy = button(t("Copy"), { class: "button" }, () => void copyText(copy, text));
  const dismiss = button(t("I don't need it"), { class: "button quiet" }, () => {
    item.remove();
    panel.hidden = panel.children.length === 0;
  });
  item.append(el("p", { class: "row" }, copy, dismiss));
  panel.append(item);
  panel.hidden = false;
  announce(t("Some of your text could not be put back by itself. It is shown for you to copy."));
}
