/** Where things stand in the package, seen from the source tree as well as from dist. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

function findRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder)
    if (parent === folder) throw new Error('package.json not found above tools/netlab')
    folder = parent
  }
  return folder
}

/** Folder that holds package.json. */
export const packageRoot = findRoot()

/** A compiled program of ours, such as `service/main.js`. */
export function compiled(path: string): string {
  return join(packageRoot, 'dist', path)
}

/** A native program that CMake built: loadgen, epoll_server, cpu_hog, offloads, flood; with lwIP installed lwip_peer. */
export function nativeProgram(name: string): string {
  return join(packageRoot, 'build', 'Release', name)
}

/** Those of `files` that do not exist: what a build is missing. */
export function missing(files: readonly string[]): string[] {
  return files.filter(file => !existsSync(file))
}
