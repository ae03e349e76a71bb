// Builds static/dist from the locked packages.
//   npm ci && npm run build     writes static/dist
//   npm run check               builds to a temporary folder and compares with what is committed
// The products are committed so that `cargo build` needs no node; manifest.txt lets `cargo test` see when they are stale.
import {build} from 'esbuild'
import {createHash} from 'node:crypto'
import {existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {dirname, join, relative} from 'node:path'
import {fileURLToPath} from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const dist = join(here, '../../static/dist')
const hash = file => createHash('sha256').update(readFileSync(file)).digest('hex')

async function bundleEditor(out) {
  const {metafile} = await build({
    absWorkingDir: here,
    entryPoints: ['editor/index.js'],
    outfile: join(out, 'editor.js'),
    bundle: true,
    minify: true,
    format: 'esm',
    target: ['es2022'],
    charset: 'utf8',
    legalComments: 'none', // LICENSES.txt has them all
    metafile: true,
    logLevel: 'warning',
  })
  const packages = Object.keys(metafile.inputs).map(file => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1])
  return [...new Set(packages.filter(Boolean))]
}

/** One <symbol> for each icon that icons.txt names. */
function writeSprite(out) {
  const names = readFileSync(join(here, 'icons.txt'), 'utf8').split('\n').filter(Boolean)
  const symbols = names.map(name => {
    const svg = readFileSync(join(here, `node_modules/lucide-static/icons/${name}.svg`), 'utf8')
    const shapes = svg
      .replace(/<!--[\s\S]*?-->/g, '')
      .replace(/^[\s\S]*?<svg[^>]*>|<\/svg>\s*$/g, '')
      .replace(/\s*\n\s*/g, '')
      .trim()
    return `<symbol id="${name}" viewBox="0 0 24 24">${shapes}</symbol>`
  })
  writeFileSync(join(out, 'icons.svg'), `<svg xmlns="http://www.w3.org/2000/svg">\n${symbols.join('\n')}\n</svg>\n`)
}

/** The notices of everything that went into the products. */
function writeLicences(out, packages) {
  const notices = packages.sort().map(name => {
    const dir = join(here, 'node_modules', name)
    const {version, license} = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'))
    const file = readdirSync(dir).find(f => /^licen[sc]e/i.test(f))
    if (!file) throw new Error(`${name} has no licence file`)
    return `${name} ${version} (${license})\n${readFileSync(join(dir, file), 'utf8').trim()}\n`
  })
  writeFileSync(join(out, 'LICENSES.txt'), notices.join('\n---\n\n'))
}

function walk(dir) {
  return readdirSync(dir, {withFileTypes: true}).flatMap(entry => {
    if (entry.name === 'node_modules' || entry.name === 'manifest.txt') return []
    const path = join(dir, entry.name)
    return entry.isDirectory() ? walk(path) : [path]
  })
}

/** Lines "in|out sha256 path", sorted: each source in src/web and each product. */
function writeManifest(out) {
  const lines = (kind, dir) => walk(dir).map(file => [kind, relative(dir, file).replaceAll('\\', '/'), hash(file)])
  const all = [...lines('in', here), ...lines('out', out)]
  all.sort((a, b) => (a[0] + a[1] < b[0] + b[1] ? -1 : 1))
  writeFileSync(join(out, 'manifest.txt'), all.map(([kind, name, sum]) => `${kind} ${sum} ${name}\n`).join(''))
}

async function writeAll(out) {
  const packages = await bundleEditor(out)
  writeSprite(out)
  writeLicences(out, [...packages, 'lucide-static'])
  writeManifest(out)
}

async function check() {
  const fresh = mkdtempSync(join(tmpdir(), 'postern-web-'))
  try {
    await writeAll(fresh)
    const names = new Set([...readdirSync(fresh), ...(existsSync(dist) ? readdirSync(dist) : [])])
    const same = name => existsSync(join(dist, name)) && existsSync(join(fresh, name)) && hash(join(dist, name)) === hash(join(fresh, name))
    const stale = [...names].filter(name => !same(name))
    if (stale.length) throw new Error(`static/dist is stale (${stale.join(', ')}): run npm run build`)
    console.log('static/dist is fresh')
  } finally {
    rmSync(fresh, {recursive: true})
  }
}

if (process.argv.includes('--check')) {
  await check()
} else {
  rmSync(dist, {recursive: true, force: true})
  mkdirSync(dist, {recursive: true})
  await writeAll(dist)
}
