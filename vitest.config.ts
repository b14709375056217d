import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    setupFiles: ['test/interrupted.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
