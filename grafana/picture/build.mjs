// Bundles page.jsx and all that it needs into the directory given: page.js and page.css.
import * as esbuild from 'esbuild';

await esbuild.build({
  entryPoints: ['page.jsx'],
  bundle: true,
  format: 'iife',
  platform: 'browser',
  outfile: `${process.argv[2]}/page.js`,
  minify: true,
  jsx: 'automatic',
  define: { 'process.env.NODE_ENV': '"production"' },
  loader: { '.svg': 'dataurl', '.ttf': 'dataurl' },
  logLevel: 'error',
});
