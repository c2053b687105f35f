"""huggingface_hub's InferenceClient: text_generation as TGI has it, and chat_completion."""

import json
import sys

from huggingface_hub import InferenceClient

url, model = sys.argv[1:]
client = InferenceClient(url)
text = client.text_generation("Call me", max_new_tokens=8)
details = client.text_generation("Call me", max_new_tokens=8, details=True, seed=1)
stream = "".join(client.text_generation("Call me", max_new_tokens=8, stream=True))
streamed = list(client.text_generation("Call me", max_new_tokens=8, stream=True, details=True))
stopped = client.text_generation("Call me", max_new_tokens=64, stop=["the"], return_full_text=True)
best = client.text_generation("Call me", max_new_tokens=8, do_sample=True, best_of=3, top_n_tokens=3, details=True,
                              decoder_input_details=True).details
try:
    client.text_generation("Call me", max_new_tokens=8, typical_p=0.5)
    refused = None
except Exception as error:  # noqa: BLE001: whichever class this version has
    refused = type(error).__name__
ask = {"messages": [{"role": "user", "content": "Call me"}], "max_tokens": 8, "temperature": 0}
chat = client.chat_completion(**ask)
pieces = [chunk.choices[0].delta.content or "" for chunk in client.chat_completion(**ask, stream=True)
          if chunk.choices]
print(json.dumps({
    "text": text, "stream": stream, "details_text": details.generated_text,
    "finish": details.details.finish_reason, "tokens": [token.id for token in details.details.tokens],
    "streamed_tokens": [item.token.id for item in streamed], "streamed_text": streamed[-1].generated_text,
    "streamed_finish": streamed[-1].details.finish_reason, "stopped": stopped, "refused": refused,
    "best": [len(best.best_of_sequences), len(best.top_tokens), [token.id for token in best.prefill]],
    "chat": chat.choices[0].message.content, "chat_stream": "".join(pieces)}))
