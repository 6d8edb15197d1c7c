"use strict";
// Asking the server.

const link = (() => {
  async function api(path, sent) {
    const body = sent === undefined || sent instanceof Blob ? sent : JSON.stringify(sent);
    const answer = await fetch(path, sent === undefined ? {} : { method: "POST", body });
    if (answer.status === 204) return null; // what was asked of is closed by now
    const content = await answer.json().catch(() => ({ error: answer.status === 403 ? "this page has ended; open the new address" : answer.statusText }));
    if (!answer.ok || content.error) throw new Error(content.error || answer.statusText);
    return content;
  }

  return { api };
})();
