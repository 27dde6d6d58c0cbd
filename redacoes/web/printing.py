"""CSS for printing: the tab of one essay, its chart and its whole text, in colours for paper."""

# browsers cannot break a field over pages, so its text is printed instead, unless the result contains it
HEAD = """<style>
.printed { display: none; white-space: pre-wrap; overflow-wrap: anywhere }
@media print {
  #language, #essay, #upload, #score, .redacoes [role="status"], .redacoes h3:has(+ [role="status"]),
    .tab-wrapper, footer { display: none !important }
  .printed { display: block }
  body:has(#result .essay) .printed { display: none }
  body, .redacoes, .redacoes *, .printed { color: black !important }
  body, gradio-app, .gradio-container { background: white !important }
}
</style>
<script>
const unprinted = () => document.querySelectorAll(".printed").forEach(old => old.remove());
addEventListener("afterprint", unprinted);
addEventListener("beforeprint", () => {
  const field = document.querySelector("#essay"), text = document.createElement("div");
  unprinted();
  text.className = "printed";
  text.lang = "pt-BR";
  text.textContent = field.querySelector("textarea").value;
  field.after(text);
});
</script>"""
