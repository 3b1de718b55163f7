// The map as a picture to keep, drawn in the browser from what is on the screen.

import { paint } from "./figure";
import type { Plan } from "./plan";

const RATIO = 2;
const HEAD = 30;

/** Draw title, colours and lines at twice the screen's resolution. */
export async function toPng(plan: Plan, drawing: SVGSVGElement, title: string, root: HTMLElement): Promise<Blob> {
  const { width, height } = plan.layout;
  const style = getComputedStyle(root);
  const heat = document.createElement("canvas");
  paint(heat, plan, RATIO);
  const copy = drawing.cloneNode(true) as SVGSVGElement;
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", String(width));
  copy.setAttribute("height", String(height));
  // A picture knows none of the page's styles.
  copy.setAttribute("style", `color:${style.color};font-family:${style.fontFamily.replace(/"/g, "'")}`);
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`;
  await image.decode();
  const head = title ? HEAD : 0;
  const page = document.createElement("canvas");
  page.width = RATIO * width;
  page.height = RATIO * (height + head);
  const context = page.getContext("2d");
  if (!context) throw new Error("this browser gives no canvas to draw on");
  context.fillStyle = style.backgroundColor;
  context.fillRect(0, 0, page.width, page.height);
  context.fillStyle = style.color;
  context.font = `600 ${15 * RATIO}px ${style.fontFamily}`;
  context.textAlign = "center";
  context.fillText(title, page.width / 2, 20 * RATIO, page.width - 16);
  context.drawImage(heat, 0, RATIO * head);
  context.drawImage(image, 0, RATIO * head, RATIO * width, RATIO * height);
  return new Promise((resolve, reject) =>
    page.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the picture is empty"))), "image/png"),
  );
}

export function download(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** A title as a file's name. */
export function fileName(title: string): string {
  const slug = title
    .normalize("NFKD")
    .replace(/[^\p{L}\p{N}]+/gu, "-")
    .replace(/^-+|-+$/g, "")
    .toLowerCase();
  return `${slug || "loss-map"}.png`;
}
