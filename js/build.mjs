// Bundles each widget into one module and one style sheet that a wheel can carry: `npm run build`.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { sep } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const out = fileURLToPath(new URL("../curvwidget/static/", import.meta.url));
const widgets = ["loss_map", "verdict_bar", "surface_keys", "webgl_gate", "exported"];

// What the last build left would outlive a renamed widget, and its list of sources would vouch for a build that failed.
mkdirSync(out, { recursive: true });
for (const name of readdirSync(out)) {
  if (name !== ".gitkeep") rmSync(out + name, { recursive: true });
}

const entries = widgets.flatMap((name) => [`src/${name}.ts`, `src/${name}.css`]).filter((path) => existsSync(here + path));
await build({
  absWorkingDir: here,
  entryPoints: entries,
  outdir: out,
  bundle: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  minify: true,
  legalComments: "none",
  logLevel: "warning",
});

// hatch_build.py writes the same list from the sources that it finds, and builds only where the two differ.
const inSource = readdirSync(`${here}src`, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => `${entry.parentPath}/${entry.name}`.slice(here.length).split(sep).join("/"));
const others = ["build.mjs", "package-lock.json", "tsconfig.json"].filter((name) => existsSync(here + name));
const lines = [...others, ...inSource]
  .sort((a, b) => (a < b ? -1 : 1))
  .map(
    (name) =>
      `${createHash("sha256")
        .update(readFileSync(here + name))
        .digest("hex")}  ${name}\n`,
  );
writeFileSync(`${out}sources.sha256`, lines.join(""));
