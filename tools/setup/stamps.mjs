/** Stamps: what was built from which sources, so that nothing is done twice. And a lock for two that start at once. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { root } from './steps.mjs'

const folder = join(root, '.setup-stamp')
const LOCK_LOOK_MS = 200

/** All files below `paths` (files or folders, from the root) whose name matches, sorted. */
function filesBelow(paths, pattern) {
  const files = []
  for (const path of paths.filter(each => existsSync(join(root, each)))) {
    const entries = readdirIfFolder(path)
    if (entries === null) files.push(path)
    else files.push(...filesBelow(entries.map(entry => join(path, entry)).filter(entry => keeps(entry, pattern)), pattern))
  }
  return files.sort()
}

function readdirIfFolder(path) {
  try {
    return readdirSync(join(root, path))
  } catch (error) {
    if (error.code === 'ENOTDIR') return null
    throw error
  }
}

/** Folders are looked into; files must match. */
function keeps(path, pattern) {
  return pattern.test(path) || readdirIfFolder(path) !== null
}

/**
 * Hash over names and contents.
 * @param {readonly string[]} paths files or folders, from the root
 * @param {RegExp} pattern of the files within folders that count
 * @param {readonly string[]} facts what else the result depends on
 * @returns {string}
 */
export function hashOf(paths, pattern, facts = []) {
  const hash = createHash('sha256')
  for (const fact of facts) hash.update(`${fact}\0`)
  for (const file of filesBelow(paths, pattern)) hash.update(`${file}\0`).update(readFileSync(join(root, file))).update('\0')
  return hash.digest('hex')
}

/** Whether stamp `name` holds `hash`. @param {string} name @param {string} hash */
export function isStamped(name, hash) {
  const file = join(folder, name)
  return existsSync(file) && readFileSync(file, 'utf8') === hash
}

/** What it stands for is about to change: if that fails, what is there is of no known sources. @param {string} name */
export function clearStamp(name) {
  rmSync(join(folder, name), { force: true })
}

/** @param {string} name @param {string} hash */
export function writeStamp(name, hash) {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, name), hash)
}

/**
 * The lock is a name in the kernel, an abstract unix socket: it is gone with its process, however that ends.
 * @returns {Promise<import('node:net').Server | null>} null if another process holds it
 */
function tryLock() {
  const name = createHash('sha256').update(root).digest('hex').slice(0, 16)
  const server = createServer()
  return new Promise((resolve, reject) => {
    server.once('error', error => error.code === 'EADDRINUSE' ? resolve(null) : reject(error))
    server.listen(`\0tasjs-setup-${name}`, () => resolve(server))
  })
}

/**
 * Runs `work` while no other process does.
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(work) {
  let lock = await tryLock()
  if (lock === null) console.error('setup: another set-up is at work in this folder; waiting for it')
  while (lock === null) {
    await pause(LOCK_LOOK_MS)
    lock = await tryLock()
  }
  try {
    return await work()
  } finally {
    lock.close()
  }
}
