import { createReadStream, createWriteStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { constants, createGzip } from 'node:zlib'
import { svelte } from '@sveltejs/vite-plugin-svelte'
import type { Plugin } from 'vite'
import { defineConfig } from 'vite'

const place = process.env.EMOVOX_PAGE ?? '../src/emovox/server/page'

/** Puts a .gz beside everything that gains by it, so that the service needs only to send it. */
function compressed(): Plugin {
  return {
    name: 'compressed',
    apply: 'build',
    async closeBundle() {
      const names = await readdir(place, { recursive: true })
      for (const name of names.filter((name) => /\.(js|css|html|svg)$/.test(name))) {
        const file = join(place, name)
        const gzip = createGzip({ level: constants.Z_BEST_COMPRESSION })
        await pipeline(createReadStream(file), gzip, createWriteStream(`${file}.gz`))
      }
    },
  }
}

export default defineConfig({
  plugins: [svelte(), compressed()],
  build: {
    outDir: place,
    emptyOutDir: true,
    target: 'es2022',
    cssCodeSplit: false, // what is loaded later is one file, which can be asked for again
    assetsInlineLimit: 0, // the page's policy allows no data: scripts
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  worker: { format: 'es' },
  server: {
    proxy: Object.fromEntries(
      ['/v1', '/healthz', '/readyz', '/docs', '/openapi.json'].map((path) => [
        path,
        { target: 'http://127.0.0.1:7860', ws: true },
      ]),
    ),
  },
})
