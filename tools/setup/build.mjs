/** npm packages, native addon and programs, TypeScript: each brought up to date only when it is not. */
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { unlinkOtherNode } from './othernode.mjs'
import { root, step } from './steps.mjs'
import { clearStamp, hashOf, isStamped, withLock, writeStamp } from './stamps.mjs'

const NATIVE_SOURCES = ['CMakeLists.txt', 'native', 'bench/native']
const TYPESCRIPT_SOURCES = ['tsconfig.json', 'service', 'lib', 'native', 'tools', 'examples', 'bench', 'experiments', 'test']
const here = `${process.platform}-${process.arch}`

/** Whether packages that somebody installed by hand are as new as the lock file. */
function isInstalledByHand() {
  const installed = join(root, 'node_modules', '.package-lock.json')
  return existsSync(installed) && statSync(installed).mtimeMs >= statSync(join(root, 'package-lock.json')).mtimeMs
}

async function installPackages() {
  const hash = hashOf(['package.json', 'package-lock.json'], /./, [here])
  const isThere = existsSync(join(root, 'node_modules'))
  if (isThere && (isStamped('packages', hash) || isInstalledByHand())) return
  clearStamp('packages')
  const npm = process.env.npm_execpath
  const [command, first] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []]
  await step('installing npm packages', command, [...first, 'ci', '--no-audit', '--no-fund'])
  unlinkOtherNode()
  writeStamp('packages', hash)
}

/** Installed or not, it decides whether lwip_peer is built. */
const LWIP_HEADER = '/usr/include/lwip/lwip/tcp.h'

async function buildNative() {
  const hash = hashOf(NATIVE_SOURCES, /\.(c|cc|cpp|h|hpp|txt)$/, [here, existsSync(LWIP_HEADER) ? 'lwip' : ''])
  const outputs = ['tasjs.node', 'loadgen', 'epoll_server', 'cpu_hog', 'offloads', 'flood']
  const isThere = outputs.every(name => existsSync(join(root, 'build', 'Release', name)))
  if (isThere && isStamped('native', hash)) return
  clearStamp('native')
  const cmakeJs = join(root, 'node_modules', 'cmake-js', 'bin', 'cmake-js')
  // CMake looks for lwIP anew; `compile` alone would go by what it found before.
  await step('configuring the native build', process.execPath, [cmakeJs, 'configure', '--config', 'Release'])
  await step('building the native addon and programs', process.execPath, [cmakeJs, 'compile', '--config', 'Release'])
  writeStamp('native', hash)
}

async function compileTypeScript() {
  const hash = hashOf([...TYPESCRIPT_SOURCES, 'package-lock.json', 'tools/setup/build.mjs', 'tools/setup/constants.mjs'], /\.ts$/)
  const isThere = existsSync(join(root, 'dist', 'service', 'main.js'))
  if (isThere && isStamped('typescript', hash)) return
  clearStamp('typescript')
  await step('compiling TypeScript', process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', '.'])
  await bundle()
  writeStamp('typescript', hash)
}

/**
 * Programs whose modules become one file, each, with the values of constants where they are used: V8 loads a module's
 * constant from memory every time (docs/decisions/0007).
 */
const BUNDLED = ['service/fastprocess.js', 'bench/step.js']
/** The same for the package's entries, which share a file: a program may import several, and each class is to be there once. */
const ENTRIES = ['lib/tas/index.js', 'lib/embedded/index.js', 'lib/embedded/prepared.js', 'lib/sockets/index.js', 'lib/interpose/index.js']
const SHARED = 'shared-'

async function bundle() {
  const lib = join(root, 'dist', 'lib')
  const shared = () => readdirSync(lib).filter(name => name.startsWith(SHARED) && name.endsWith('.js'))
  // Their names have a hash of what is in them, so that old ones would stay.
  for (const name of shared()) for (const file of [name, `${name}.map`]) rmSync(join(lib, file), { force: true })
  await esbuild('bundling the worker', BUNDLED)
  await esbuild('bundling the library', ENTRIES, '--splitting', `--chunk-names=lib/${SHARED}[hash]`)
  const bundles = [...BUNDLED, ...ENTRIES, ...shared().map(name => `lib/${name}`)].map(path => join('dist', path))
  await step('writing constants into the bundles', process.execPath, [join('tools', 'setup', 'constants.mjs'), ...bundles])
}

function esbuild(title, entries, ...options) {
  return step(title, join(root, 'node_modules', 'esbuild', 'bin', 'esbuild'), [...entries.map(path => join('dist', path)), ...options,
    '--bundle', '--packages=external', '--platform=node', '--format=esm', '--sourcemap', '--allow-overwrite',
    '--log-level=warning', '--outbase=dist', '--outdir=dist'])
}

/** Brings everything up to date. Throws SetupError if a step fails. */
export function prepare() {
  return withLock(async () => {
    await installPackages()
    await buildNative()
    await compileTypeScript()
  })
}
