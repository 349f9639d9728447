// Builds the browser bundle: `node web/build.mjs`, or with `--watch` while developing.
//
// Each script in src/pages/ and each stylesheet in styles/ becomes a file in dist/ whose name carries
// a hash of its content, so that browsers may keep it for ever; a source map stands beside it. What
// pages share goes into files of its own. manifest.json tells which file has which logical name:
// {"room.js": "room-QJ4ZBXRM.js", "room.css": "room-4XKHT2VA.css"}.

import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import * as esbuild from "esbuild";

const web = fileURLToPath(new URL(".", import.meta.url));
const dist = join(web, "dist");

/** The names in `folder` that end so, but for parts (`_name.css`), which others include. */
function filesIn(folder, ending) {
  return readdirSync(join(web, folder))
    .filter((name) => name.endsWith(ending) && !name.startsWith("_"))
    .map((name) => `${folder}/${name}`);
}

/** Logical name to file name, for each entry point: `room.js` to `room-QJ4ZBXRM.js`. */
function manifestOf(outputs) {
  const manifest = {};
  for (const [path, output] of Object.entries(outputs)) {
    if (output.entryPoint === undefined) continue;
    const source = basename(output.entryPoint, extname(output.entryPoint));
    manifest[source + extname(path)] = basename(path);
  }
  return manifest;
}

/** A server may be reading: new files come first, then the manifest at once, then old ones go. */
function writeDist(files, manifest) {
  mkdirSync(dist, { recursive: true });
  for (const file of files) writeFileSync(file.path, file.contents);
  writeFileSync(join(dist, "manifest.json.new"), `${JSON.stringify(manifest, null, 2)}\n`);
  renameSync(join(dist, "manifest.json.new"), join(dist, "manifest.json"));

  const current = new Set(["manifest.json", ...files.map((file) => basename(file.path))]);
  for (const name of readdirSync(dist)) {
    if (!current.has(name)) rmSync(join(dist, name), { recursive: true });
  }
}

function printSizes(files) {
  const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
  for (const { path, contents } of files) {
    if (path.endsWith(".map")) continue;
    const sizes = `${kilobytes(contents.length)}, ${kilobytes(gzipSync(contents).length)} gzipped`;
    console.log(`${basename(path)}: ${sizes}`);
  }
}

const output = {
  name: "dist",
  setup(build) {
    build.onEnd(({ errors, metafile, outputFiles }) => {
      if (errors.length > 0) return;
      writeDist(outputFiles, manifestOf(metafile.outputs));
      printSizes(outputFiles);
    });
  },
};

const options = {
  absWorkingDir: web,
  entryPoints: [...filesIn("src/pages", ".ts"), ...filesIn("styles", ".css")],
  entryNames: "[name]-[hash]",
  chunkNames: "shared-[hash]",
  assetNames: "[name]-[hash]",
  outdir: dist,
  bundle: true,
  splitting: true,
  format: "esm",
  target: "es2022",
  minify: true,
  sourcemap: "linked",
  legalComments: "linked",
  metafile: true,
  write: false,
  plugins: [output],
};

if (process.argv.includes("--watch")) {
  const context = await esbuild.context(options);
  await context.watch();
  console.log("watching web/src and web/styles");
} else {
  await esbuild.build(options).catch(() => process.exit(1)); // esbuild has printed what is wrong
}
